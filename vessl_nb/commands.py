"""What each command of the shell does with its arguments."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from vessl_nb.capture.declared_types import declared_types
from vessl_nb.capture.instances import decode_input
from vessl_nb.errors import CheckFailed, Damaged, InvalidArgument, NotFound
from vessl_nb.faces.check import check_text
from vessl_nb.faces.version import version_text
from vessl_nb.faces.versions import versions_text
from vessl_nb.faces.words import counted, size_words
from vessl_nb.loading import load
from vessl_nb.registry.fsck import check_registry
from vessl_nb.registry.garbage import collect_garbage
from vessl_nb.registry.listing import VersionsTable
from vessl_nb.registry.models import archive, delete_model, set_alias, unarchive
from vessl_nb.registry.names import parse_reference
from vessl_nb.registry.purge import purge
from vessl_nb.registry.registry import open_registry
from vessl_nb.registry.version import find_version
from vessl_nb.registry.version_faces import check_face
from vessl_nb.values.secrets import mask_secrets
from vessl_nb.values.sent import as_sent

if TYPE_CHECKING:
    from argparse import Namespace

    from vessl_nb.loading import LoadedModel

_MOST_CHARACTERS = 80  # of an example, for each of its sides


def run_demo_notebook(chosen: Namespace) -> None:
    """Run the quickstart notebook in a real kernel."""
    from vessl_nb.demo import run_demo  # noqa: PLC0415  # needs the extra `demo`

    run_demo(chosen.folder)


def list_versions(chosen: Namespace) -> None:
    """List the versions of a model repository, or of all."""
    table = VersionsTable(chosen.repository)
    _say(versions_text(table.title, table.rows, in_full=True))
    if not table.rows:
        _say(f"  Looked in {open_registry().root}")


def show_version(chosen: Namespace) -> None:
    """Show what a version holds, or its runner.py alone."""
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


def check_version(chosen: Namespace) -> None:
    """Try a version's examples in a clean process."""
    from vessl_nb.checking import check  # noqa: PLC0415  # no other command needs it

    try:
        report = check(chosen.reference, record=chosen.record)
    except CheckFailed as failed:
        for line in failed.lines:
            print(_printable(line), file=sys.stderr)  # noqa: T201  # a command prints
        if chosen.record:
            failed.next_step = f"{failed.next_step} The result was recorded."
        raise
    said = check_text(report.reference, check_face(report.check), in_full=True)
    _say(f"{said}\nRecorded with {report.reference}." if chosen.record else said)


def run_version(chosen: Namespace) -> None:
    """Load a version and answer one request."""
    given = _read_json(chosen.input)
    with contextlib.redirect_stdout(sys.stderr):  # what the model prints is no part of the answer
        model = load(chosen.reference)
        answer = model.run(_data_of(model, given))
    sent = msgspec.json.encode(as_sent(answer, "answer"))  # as a server answers
    _say(msgspec.json.format(sent, indent=0).decode())


def move_alias(chosen: Namespace) -> None:
    """Let an alias point at a version."""
    version = set_alias(chosen.reference, chosen.alias)
    _say(f"{version.reference} is {chosen.alias} now.")


def archive_version(chosen: Namespace) -> None:
    """Put a version aside, or take it back."""
    version = unarchive(chosen.reference) if chosen.undo else archive(chosen.reference)
    _say(f"{version.reference} is {'back' if chosen.undo else 'archived; --undo takes it back'}.")


def delete_number(chosen: Namespace) -> None:
    """Delete a model number, once that is agreed to."""
    reference = parse_reference(chosen.reference)
    if reference.number is None or reference.revision is not None:
        raise InvalidArgument(
            f"{chosen.reference!r} is not a number, and only whole numbers are deleted.",
            f"Write it as '{reference.repository}:3', or purge one revision.",
        )
    state = open_registry().repository(reference.organization, reference.repository)
    revisions = len(state.model(reference.number).revisions)
    holds = f", with its {counted(revisions, 'revision')} and aliases" if revisions else ""
    if not _agreed(chosen, f"Delete {reference}{holds}?", f"Nobody is there to be asked whether {reference} may go."):
        _say("Nothing was deleted.")
        return
    delete_model(reference.repository, reference.number, organization_name=reference.organization)
    _say(f"{chosen.reference} is deleted. What only it held is freed by: vessl-nb gc")


def purge_version(chosen: Namespace) -> None:
    """Remove a version, or one of its examples, once that is agreed to."""
    name = find_version(chosen.reference).reference
    what = name if chosen.example is None else f"example {chosen.example} of {name}"
    if _agreed(chosen, f"Remove {what} for good?", f"Nobody is there to be asked whether {what} may go for good."):
        _say(repr(purge(chosen.reference, chosen.example)))
    else:
        _say("Nothing was removed.")


def _agreed(chosen: Namespace, question: str, unasked: str) -> bool:
    """Ask, where nobody said --yes, whether what cannot be undone is to be done; a script has to say it."""
    if chosen.yes:
        return True
    if not sys.stdin.isatty():
        raise InvalidArgument(unasked, "Add --yes.")
    with contextlib.suppress(EOFError):
        return input(f"{question} This cannot be undone. [y/N] ").strip().lower() in {"y", "yes"}
    return False


def free_garbage(chosen: Namespace) -> None:
    """Free what nothing refers to any more."""
    freed = collect_garbage(dry_run=chosen.dry_run)
    verb = "Would free" if chosen.dry_run else "Freed"
    leftovers = f", and {size_words(freed.leftovers)} that killed processes were writing" if freed.leftovers else ""
    _say(f"{verb} {counted(freed.blobs, 'blob')} ({size_words(freed.size)}) that nothing refers to{leftovers}.")


def find_damage(_: Namespace) -> None:
    """Read the whole registry, and name every damaged file; Damaged where there is one."""
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


def _data_of(model: LoadedModel, given: Any) -> Any:
    """Make of JSON what a runner takes: an instance of the type that it declares, as a server does."""
    from vessl_nb.serving.declared import adapter_of  # noqa: PLC0415  # no other command needs it
    from vessl_nb.serving.problems import Problem  # noqa: PLC0415  # as above
    from vessl_nb.serving.reading import make_reader  # noqa: PLC0415  # as above

    if adapter_of(declared_types(model.runner)[0]) is None:
        return decode_input(model.runner, given)
    version, body = model.version, msgspec.json.encode(given)
    read = make_reader(model.runner, version.signature, [example["input"] for example in version.examples])
    try:
        return read("application/json", body)
    except Problem as refusal:
        if b'"$type"' in body:  # as `show` or a manifest says of an example
            return decode_input(model.runner, given)
        errors = [f"{error['pointer'] or 'the whole'} {error['detail']}" for error in refusal.members.get("errors", [])]
        words = "; ".join(errors) or refusal.detail
        raise InvalidArgument(f"The input is not what {version.reference} takes: {words}") from None


def _shortened(value: Any) -> str:
    text = mask_secrets(json.dumps(value, ensure_ascii=False))
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}…"


def _printable(text: str) -> str:
    """Leave out what would steer a terminal: somebody else may have written it."""
    return "".join(char if char.isprintable() or char in "\n\t" else "\ufffd" for char in text)


def _say(text: str) -> None:
    print(text)  # noqa: T201  # a command prints
