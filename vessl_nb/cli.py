"""The shell's skin: ``vessl-nb demo``, ``list``, ``show`` and ``run``."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from vessl_nb.errors import InvalidArgument, NotFound, VesslError
from vessl_nb.faces.version import version_text
from vessl_nb.faces.versions import versions_text
from vessl_nb.loading import load
from vessl_nb.registry.listing import VersionsTable
from vessl_nb.registry.names import parse_reference
from vessl_nb.registry.registry import open_registry
from vessl_nb.registry.version import Version
from vessl_nb.values.encoding import decode, encode_loosely

if TYPE_CHECKING:
    from collections.abc import Sequence


_MOST_CHARACTERS = 80  # of an example, for each of its sides


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
    parser = argparse.ArgumentParser(prog="vessl-nb", description="Models registered from notebooks, in plain files.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    demo = commands.add_parser("demo", help="run the quickstart notebook in a real kernel, and show what it shows")
    demo.add_argument("--folder", type=Path, default=Path("vessl_nb_demo"), help="where the notebook goes")
    demo.set_defaults(command=_demo)

    listing = commands.add_parser("list", help="list the versions of a model repository, or of all")
    listing.add_argument("repository", nargs="?", metavar="REPO", help="such as iris or org/iris")
    listing.set_defaults(command=_list)

    show = commands.add_parser("show", help="show what a version holds")
    show.add_argument("reference", metavar="REF", help="such as iris, iris:3 or iris:champion")
    show.set_defaults(command=_show)

    run = commands.add_parser("run", help="load a version and answer one request")
    run.add_argument("reference", metavar="REF", help="such as iris, iris:3 or iris:champion")
    run.add_argument("--input", required=True, metavar="FILE", help="a file of JSON, or - for standard input")
    run.set_defaults(command=_run)
    return parser


def _demo(chosen: argparse.Namespace) -> None:
    from vessl_nb.demo import run_demo  # noqa: PLC0415  # needs the extra `demo`

    run_demo(chosen.folder)


def _list(chosen: argparse.Namespace) -> None:
    table = VersionsTable(chosen.repository)
    _say(versions_text(table.title, table.rows, in_full=True))
    if not table.rows:
        _say(f"  Looked in {open_registry().root}")


def _show(chosen: argparse.Namespace) -> None:
    registry = open_registry()
    state, revision = registry.resolve(parse_reference(chosen.reference))
    version = Version.of(registry, state, revision)
    _say(version_text(version.face(), in_full=True))
    for example in version.examples:
        _say(f"  Example        {_shortened(example['input'])} -> {_shortened(example['output'])}")
    if version.source:
        _say(f"\n{version.source.rstrip()}")


def _run(chosen: argparse.Namespace) -> None:
    data = decode(_read_json(chosen.input))  # what `show` or a manifest says of an example can be sent again
    with contextlib.redirect_stdout(sys.stderr):  # what the model prints is no part of the answer
        answer = load(chosen.reference).run(data)
    _say(json.dumps(encode_loosely(_plain(answer)), ensure_ascii=False))


def _read_json(path: str) -> Any:
    name = "Standard input" if path == "-" else repr(path)
    try:
        content = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
        return msgspec.json.decode(content)
    except OSError as error:
        raise NotFound(
            f"{name} cannot be read: {error.strerror}.", "Check the path, or use - for standard input."
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidArgument(
            f"{name} is no JSON: {error}.", 'It must hold one JSON value, such as {"x": [1, 2]}.'
        ) from None


def _shortened(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}…"


def _plain(value: Any) -> Any:
    """Write arrays, tensors and their scalars as plain numbers and lists, wherever they are in an answer."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value.tolist() if hasattr(value, "tolist") else value


def _say(text: str) -> None:
    print(text)  # noqa: T201  # a command prints
