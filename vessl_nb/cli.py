"""The shell's skin: one command each for what the registry can do."""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from vessl_nb.errors import VesslError
from vessl_nb.spelling import spoken_in

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    arguments
        The command and its arguments; those of the process, if left out.

    Returns
    -------
    int
        The exit status: 0, or 1 where the command failed and said why on standard error, or 130 where it was
        interrupted.
    """
    chosen = _parser().parse_args(arguments)
    try:
        with spoken_in("vessl-nb"):
            chosen.command(chosen)
        print(end="", flush=True)  # noqa: T201  # here, where it can still be said that it failed
    except VesslError as error:
        print(f"vessl-nb: {error}", file=sys.stderr)  # noqa: T201  # a command prints
        return 1
    except OSError as error:
        if not isinstance(error, BrokenPipeError):  # piped into head, say: nobody wants to know
            print(f"vessl-nb: {error}", file=sys.stderr)  # noqa: T201  # as above
        # What is left in Python's buffer goes nowhere, or flushing it at the end would fail once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vessl-nb",
        description="Models registered from notebooks, in plain files.",
        epilog="REF is iris (the newest), iris:3, iris:champion (an alias), iris:3@1 (revision 1) or org/iris:3. "
        "The registry is the folder that VESSL_NB_REGISTRY names, or ~/.vessl_nb/registry.",
    )
    added = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")

    demo = added.add_parser("demo", help="run the quickstart notebook in a real kernel, and show what it shows")
    demo.add_argument("--folder", type=Path, default=Path("vessl_nb_demo"), help="where the notebook goes")
    demo.set_defaults(command=_do("run_demo_notebook"))

    listing = added.add_parser("list", help="list the versions of a model repository, or of all")
    listing.add_argument("repository", nargs="?", metavar="REPO", help="such as iris or org/iris")
    listing.set_defaults(command=_do("list_versions"))

    show = added.add_parser("show", help="show what a version holds")
    show.add_argument("reference", metavar="REF", help="such as iris, iris:3 or iris:champion")
    show.add_argument("--source", action="store_true", help="print its runner.py alone, secrets masked")
    show.set_defaults(command=_do("show_version"))

    checked = added.add_parser("check", help="try a version's examples in a clean process")
    checked.add_argument("reference", metavar="REF", help="such as iris, iris:3 or iris:champion")
    checked.add_argument("--record", action="store_true", help="keep the result with the version, whatever it is")
    checked.set_defaults(command=_do("check_version"))

    run = added.add_parser("run", help="load a version and answer one request")
    run.add_argument("reference", metavar="REF", help="such as iris, iris:3 or iris:champion")
    run.add_argument("--input", required=True, metavar="FILE", help="a file of JSON, or - for standard input")
    run.set_defaults(command=_do("run_version"))

    _add_serve(added)

    alias = added.add_parser("alias", help="let an alias point at a version; it moves where it pointed at another")
    alias.add_argument("reference", metavar="REF", help="such as iris:3, or another alias, such as iris:challenger")
    alias.add_argument("alias", metavar="NAME", help="such as champion")
    alias.set_defaults(command=_do("move_alias"))

    archived = added.add_parser("archive", help="put a version aside: its repository's name alone passes it over")
    archived.add_argument("reference", metavar="REF", help="such as iris:3")
    archived.add_argument("--undo", action="store_true", help="take it back")
    archived.set_defaults(command=_do("archive_version"))

    delete = added.add_parser("delete", help="delete a model number with all its revisions")
    delete.add_argument("reference", metavar="REF", help="a number, such as iris:3 or org/iris:3")
    _add_yes(delete)
    delete.set_defaults(command=_do("delete_number"))

    purged = added.add_parser("purge", help="remove a version, or one of its examples, for good")
    purged.add_argument("reference", metavar="REF", help="such as iris:3 or iris:3@1 (revision 1)")
    purged.add_argument("--example", type=int, metavar="N", help="only this example, counted from 0")
    _add_yes(purged)
    purged.set_defaults(command=_do("purge_version"))

    gc = added.add_parser("gc", help="free what nothing refers to any more; safe while others register and read")
    gc.add_argument("--dry-run", action="store_true", help="only say what would be freed")
    gc.set_defaults(command=_do("free_garbage"))

    fsck = added.add_parser("fsck", help="read the whole registry, and name every damaged file")
    fsck.set_defaults(command=_do("find_damage"))
    return parser


def _add_yes(command: argparse.ArgumentParser) -> None:
    command.add_argument("--yes", action="store_true", help="do not ask; needed where there is no terminal to ask at")


def _add_serve(added: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    served = added.add_parser("serve", help="answer requests over HTTP with a version; an alias is followed")
    served.add_argument("reference", metavar="REF", help="such as iris, iris:3 or iris:champion")
    served.add_argument("--host", default="127.0.0.1", help="where to listen; any but 127.0.0.1 asks for a token")
    served.add_argument("--port", type=int, default=8000, help="0 lets the system choose one (8000)")
    served.add_argument("--workers", type=int, default=1, metavar="N", help="processes that answer (1)")
    served.add_argument(
        "--token",
        default=os.environ.get("VESSL_NB_TOKEN"),
        help="what clients must know; made and shown where one is needed and none is given. Others on this machine see "
        "it among the processes: not so the environment variable VESSL_NB_TOKEN",
    )
    served.add_argument("--queue", type=int, default=256, metavar="N", help="requests that may wait (256)")
    served.add_argument("--timeout", type=float, default=30.0, metavar="S", help="seconds that a request may take (30)")
    served.set_defaults(command=_serve)


def _do(name: str) -> Callable[[argparse.Namespace], None]:
    """Give one of the commands; they import much that to print a help, and a server, do not need."""

    def do(chosen: argparse.Namespace) -> None:
        getattr(importlib.import_module("vessl_nb.commands"), name)(chosen)

    return do


def _serve(chosen: argparse.Namespace) -> None:
    from vessl_nb.serving.command import serve_version  # noqa: PLC0415  # no other command needs it

    serve_version(chosen)
