"""The check: a version, committed or only staged, proven in a clean process.

The process has nothing of the notebook's (`vessl_nb.fresh_process`), and what the version does not declare is as if it
were not installed (`vessl_nb.clean_process`). There the version answers each of its samples twice, and once more as it
is loaded from its ``runner.py``. The answers are compared with the notebook's; where they differ, a second clean
process, and this one, are asked once more, since chance may be all that differs.
"""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from vessl_nb.capture.requirements import missing_requirements
from vessl_nb.clean_process import Answer, Request
from vessl_nb.compared import Compared
from vessl_nb.errors import CheckFailed, InvalidArgument
from vessl_nb.faces.check import check_html, check_text
from vessl_nb.fresh_process import clean_process
from vessl_nb.loading import check_environment
from vessl_nb.mends import explain
from vessl_nb.registry.documents import Check, Checked
from vessl_nb.registry.registry import open_registry
from vessl_nb.registry.version import Version, find_version
from vessl_nb.registry.version_faces import check_face
from vessl_nb.spelling import spell
from vessl_nb.values.secrets import mask_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vessl_nb.capture.pickles import Captured
    from vessl_nb.fresh_process import CleanProcess
    from vessl_nb.manifest import Manifest
    from vessl_nb.registry.state import RepositoryState
    from vessl_nb.storage.folder import Folder


@dataclass(frozen=True, repr=False)
class CheckReport:
    """What came of checking a version.

    Attributes
    ----------
    reference
        The version.
    check
        How it went.
    """

    reference: str
    check: Check

    def __repr__(self) -> str:
        return check_text(self.reference, check_face(self.check))

    def _repr_html_(self) -> str:
        return check_html(self.reference, check_face(self.check))


def run_check(
    process: CleanProcess,
    folder: Folder,
    manifest: Manifest,
    examples: Sequence[dict[str, Any]],
    *,
    captured: Captured | None = None,
    again: Callable[[Any], Any] | None = None,
    alive: Callable[[], None] = lambda: None,
) -> Check:
    """Let a clean process load a version and answer its samples, and compare the answers.

    Parameters
    ----------
    process
        The process.
    folder
        The registry's folder; the version's contents are in it.
    manifest
        The version.
    examples
        The samples with the answers that are expected, encoded.
    captured
        What was pickled in this process, where it is being registered: it can say in which cell something is.
    again
        Answers an encoded sample once more in this process, where that can be done.
    alive
        Is called now and then while the process works.

    Raises
    ------
    CheckFailed
        It could not be loaded, a sample failed, or an answer is another.
    """
    nothing = "Nothing was registered. " if captured else ""
    begun = time.monotonic()
    _look_around(manifest, nothing)
    request = Request(
        root=str(folder.root.absolute()),
        manifest=manifest,
        samples=[example["input"] for example in examples],
    )

    def ask(process: CleanProcess) -> Answer:
        text = process.ask(msgspec.json.encode(request), alive)
        if not text:
            raise CheckFailed(
                f"The process that checked {manifest.runner} {process.said()}.",
                f"{nothing}Run the sample in a script of its own.",
            )
        return msgspec.json.decode(text, type=Answer)

    answer = ask(process)
    if answer.failure is not None:
        raise explain(answer.failure, manifest, captured, is_from_source=answer.is_from_source)
    found = [Compared(example, *pair) for example, pair in zip(examples, _pairs(answer), strict=True)]
    if any(one.difference() for one in found):
        with clean_process(manifest.env, process.folder) as other:
            elsewhere = ask(other)
        for one, pair in zip(found, _pairs(elsewhere), strict=True):
            if elsewhere.failure is None and one.difference():
                one.consider(pair[0][0], again(one.example["input"]) if again else one.example["output"])
    remarks = [remark for number, one in enumerate(found, 1) for remark in one.remarks(_which(number, found))]
    for number, one in enumerate(found, 1):
        if difference := one.difference():
            raise CheckFailed(
                mask_secrets(f"{manifest.runner} answers {_which(number, found)} {difference}"),
                f"{nothing}{_guess(manifest)}",
            )
    if manifest.code is not None and not answer.from_source:
        remarks.append("It was not loaded from runner.py, which is not complete.")
    seconds = round(time.monotonic() - begun, 3)
    python = platform.python_version()
    return Check(passed=True, samples=len(examples), remarks=remarks, seconds=seconds, python=python)


def _look_around(manifest: Manifest, nothing: str) -> None:
    """Refuse a version that declares what is not here: it cannot be tried."""
    unset = [name for name in manifest.env if name not in os.environ]
    if unset:
        raise CheckFailed(
            f"{manifest.runner} cannot be checked: it declares {', '.join(unset)}, which is not set here.",
            f"{nothing}Set it, or give {spell('check', value=False)}." if nothing else "Set it.",
        )
    missing = missing_requirements(requirement.line for requirement in manifest.requirements)
    for line, there in missing.items():
        what = f"but {there} is installed here" if there else "but is not installed here"
        raise CheckFailed(
            mask_secrets(f"{manifest.runner} cannot be checked: {line} is declared, {what}."),
            f"{nothing}Declare what is here, or install what is declared; {spell('check', value=False)} does without."
            if nothing
            else "Install what is declared.",
        )


def _pairs(answer: Answer) -> list[tuple[list[Any], list[Any]]]:
    """List what was answered to each sample: twice from byte code, and once from runner.py, where that is complete."""
    from_source = [[found] for found in answer.from_source] or [[] for _ in answer.outputs]
    return list(zip(answer.outputs, from_source, strict=True))


def _which(number: int, found: Sequence[Compared]) -> str:
    return f"sample {number}" if len(found) > 1 else "the sample"


def _guess(manifest: Manifest) -> str:
    undeclared = [name for name in manifest.reads if name not in manifest.env]
    if undeclared:
        return f"It reads {', '.join(undeclared)} from the environment: declare it, {spell('env', undeclared)}."
    return (
        "Something that the runner uses was changed after it was imported or defined, and does not travel: set it in "
        "load_model, or in the method that needs it."
    )


def check(reference: str, *, record: bool = False) -> CheckReport:
    """Check a registered version in a clean process.

    Parameters
    ----------
    reference
        As `load` takes it.
    record
        Keep the result with the version, whatever it is.

    Returns
    -------
    CheckReport
        Its ``check`` says how it went.

    Raises
    ------
    CheckFailed
        It could not be loaded there, a sample failed, or an answer is another.
    InvalidArgument
        The version has no examples.
    """
    version = find_version(reference)
    if not version.examples:
        raise InvalidArgument(
            f"{version.reference} has no examples to be checked with.", f"Register it with a sample: {spell('sample')}"
        )
    check_environment(version)
    begun = time.monotonic()
    try:
        with clean_process(version.manifest.env) as process:
            result = run_check(process, open_registry().folder, version.manifest, version.examples)
    except CheckFailed as failed:
        if record:
            seconds = round(time.monotonic() - begun, 3)
            python = platform.python_version()
            remarks = [mask_secrets(failed.what)]
            _record(
                version,
                Check(passed=False, samples=len(version.examples), remarks=remarks, seconds=seconds, python=python),
            )
        raise
    if record:
        _record(version, result)
    return CheckReport(version.reference, result)


def _record(version: Version, result: Check) -> None:
    body = Checked(number=version.number, revision=version.revision, check=result)

    def decide(state: RepositoryState) -> Checked:
        state.revision(version.number, version.revision)  # it may have been purged meanwhile
        return body

    open_registry().commit(version.organization_name, version.repository_name, decide)
