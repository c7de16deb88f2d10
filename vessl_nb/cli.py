"""The shell's skin: one command each for what the registry can do."""

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

from vessl_nb.errors import CheckFailed, Damaged, InvalidArgument, NotFound, VesslError
from vessl_nb.faces.check import check_text
from vessl_nb.faces.html import counted, size_words
from vessl_nb.faces.version import version_text
from vessl_nb.faces.versions import versions_text
from vessl_nb.loading import load
from vessl_nb.registry.fsck import check_registry
from vessl_nb.registry.garbage import collect_garbage
from vessl_nb.registry.listing import VersionsTable
from vessl_nb.registry.models import archive, delete_model, unarchive
from vessl_nb.registry.names import parse_reference
from vessl_nb.registry.purge import purge
from vessl_nb.registry.registry import open_registry
from vessl_nb.registry.version import check_face, find_version
from vessl_nb.values.encoding import decode, encode_loosely
from vessl_nb.values.secrets import mask_secrets

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
    show.add_argument("--source", action="store_true", help="print its runner.py alone, secrets masked")
    show.set_defaults(command=_show)

    checked = commands.add_parser("check", help="try a version's examples in a clean process")
    checked.add_argument("reference", metavar="REF", help="such as iris, iris:3 or iris:champion")
    checked.add_argument("--record", action="store_true", help="keep the result with the version, whatever it is")
    checked.set_defaults(command=_check)

    run = commands.add_parser("run", help="load a version and answer one request")
    run.add_argument("reference", metavar="REF", help="such as iris, iris:3 or iris:champion")
    run.add_argument("--input", required=True, metavar="FILE", help="a file of JSON, or - for standard input")
    run.set_defaults(command=_run)

    archived = commands.add_parser("archive", help="put a version aside: its repository's name alone passes it over")
    archived.add_argument("reference", metavar="REF", help="such as iris:3")
    archived.add_argument("--undo", action="store_true", help="take it back")
    archived.set_defaults(command=_archive)

    delete = commands.add_parser("delete", help="delete a model number with all its revisions")
    delete.add_argument("reference", metavar="REF", help="a number, such as iris:3 or org/iris:3")
    delete.set_defaults(command=_delete)

    purged = commands.add_parser("purge", help="remove a version, or one of its examples, for good")
    purged.add_argument("reference", metavar="REF", help="such as iris:3 or iris:3@1 (revision 1)")
    purged.add_argument("--example", type=int, metavar="N", help="only this example, counted from 0")
    purged.add_argument("--yes", action="store_true", help="do not ask")
    purged.set_defaults(command=_purge)

    gc = commands.add_parser("gc", help="free what nothing refers to any more; safe while others register and read")
    gc.add_argument("--dry-run", action="store_true", help="only say what would be freed")
    gc.set_defaults(command=_gc)

    fsck = commands.add_parser("fsck", help="read the whole registry, and name every damaged file")
    fsck.set_defaults(command=_fsck)
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
    version = find_version(chosen.reference)
    face = version.face()
    source = _printable(face.source.rstrip())
    if chosen.source:
        if not source:
            raise NotFound(
                f"{version.reference} has no runner.py.", "Its runner is imported from a package, or has no source."
            )
        _say(source)
        return
    _say(version_text(face, in_full=True))
    for example in version.examples:
        _say(f"  Example        {_shortened(example['input'])} -> {_shortened(example['output'])}")
    if source:
        _say(f"\n{source}")


def _check(chosen: argparse.Namespace) -> None:
    from vessl_nb.checking import check  # noqa: PLC0415  # no other command needs it

    try:
        report = check(chosen.reference, record=chosen.record)
    except CheckFailed as failed:
        for line in failed.lines:
            print(_printable(line), file=sys.stderr)  # noqa: T201  # a command prints
        raise
    _say(check_text(report.reference, check_face(report.check), in_full=True))


def _run(chosen: argparse.Namespace) -> None:
    data = decode(_read_json(chosen.input))  # what `show` or a manifest says of an example can be sent again
    with contextlib.redirect_stdout(sys.stderr):  # what the model prints is no part of the answer
        answer = load(chosen.reference).run(data)
    _say(json.dumps(encode_loosely(_plain(answer)), ensure_ascii=False))


def _archive(chosen: argparse.Namespace) -> None:
    version = unarchive(chosen.reference) if chosen.undo else archive(chosen.reference)
    _say(f"{version.reference} is {'back' if chosen.undo else 'archived; --undo takes it back'}.")


def _delete(chosen: argparse.Namespace) -> None:
    reference = parse_reference(chosen.reference)
    if reference.number is None or reference.revision is not None:
        raise InvalidArgument(
            f"{chosen.reference!r} is not a number, and only whole numbers are deleted.",
            f"Write it as '{reference.repository}:3', or purge one revision.",
        )
    delete_model(reference.repository, reference.number, organization_name=reference.organization)
    _say(f"{chosen.reference} is deleted. What only it held is freed by: vessl-nb gc")


def _purge(chosen: argparse.Namespace) -> None:
    name = find_version(chosen.reference).reference
    what = name if chosen.example is None else f"example {chosen.example} of {name}"
    if not chosen.yes:
        if not sys.stdin.isatty():
            raise InvalidArgument(f"Nobody is there to be asked whether {what} may go for good.", "Add --yes.")
        with contextlib.suppress(EOFError):
            if input(f"Remove {what} for good? This cannot be undone. [y/N] ").strip().lower() in {"y", "yes"}:
                chosen.yes = True
        if not chosen.yes:
            _say("Nothing was removed.")
            return
    _say(repr(purge(chosen.reference, chosen.example)))


def _gc(chosen: argparse.Namespace) -> None:
    freed = collect_garbage(dry_run=chosen.dry_run)
    verb = "Would free" if chosen.dry_run else "Freed"
    leftovers = f", and {size_words(freed.leftovers)} that killed processes were writing" if freed.leftovers else ""
    _say(f"{verb} {counted(freed.blobs, 'blob')} ({size_words(freed.size)}) that nothing refers to{leftovers}.")


def _fsck(_: argparse.Namespace) -> None:
    report = check_registry(open_registry())
    _say(str(report))
    if report.problems:
        raise Damaged(
            f"{open_registry().root} is damaged.", "Restore the files named above from a backup; the rest is usable."
        )


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
    text = mask_secrets(json.dumps(value, ensure_ascii=False))
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}…"


def _printable(text: str) -> str:
    """Leave out what would steer a terminal: somebody else may have written it."""
    return "".join(char if char.isprintable() or char in "\n\t" else "\ufffd" for char in text)


def _plain(value: Any) -> Any:
    """Write arrays, tensors and their scalars as plain numbers and lists, wherever they are in an answer."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value.tolist() if hasattr(value, "tolist") else value


def _say(text: str) -> None:
    print(text)  # noqa: T201  # a command prints
