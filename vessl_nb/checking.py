"""The check: a version, committed or only staged, proven in a clean process.

The process has an empty working directory, the notebook's folder is not on its path, of the environment it has what
`_KEPT` and `_KEPT_BEGINNINGS` say and the variables that the version declares, and what the version does not declare is
as if it were not installed. There the version answers each of its samples twice, and once more loaded from its
``runner.py``. The answers are compared with the notebook's.
"""

from __future__ import annotations

import contextlib
import os
import platform
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from vessl_nb.capture.requirements import missing_requirements
from vessl_nb.clean_process import Answer, Request
from vessl_nb.errors import CheckFailed, InvalidArgument
from vessl_nb.loading import check_environment
from vessl_nb.mends import explain
from vessl_nb.registry.documents import Check, Checked
from vessl_nb.registry.registry import open_registry
from vessl_nb.registry.version import CheckReport, Version, find_version
from vessl_nb.values.comparison import alike, compare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from vessl_nb.capture.pickles import Captured
    from vessl_nb.manifest import Manifest
    from vessl_nb.registry.state import RepositoryState
    from vessl_nb.storage.folder import Folder

_KEPT = {"PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH"}
_KEPT_BEGINNINGS = ("LC_", "CUDA_", "VESSL_NB_")

_PULSE = 0.2
"""How often the waiting process looks up, in seconds."""


class CleanProcess:
    """A fresh interpreter, started ahead: it imports what it needs itself while the version is still being made.

    Parameters
    ----------
    env
        The names of the environment variables that the version declares.
    """

    def __init__(self, env: Sequence[str]) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="vessl_nb-check-", ignore_cleanup_errors=True)
        self._reading, writing = os.pipe()
        script = (
            f"import sys; sys.path += {_installed_paths()}; from vessl_nb.clean_process import main; main({writing})"
        )
        self._process: subprocess.Popen[bytes] | None = None
        self._problem: OSError | None = None
        try:
            self._process = subprocess.Popen(  # noqa: S603  # this very interpreter
                [sys.executable, "-P", "-c", script],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                cwd=self._folder.name,
                env={name: value for name, value in os.environ.items() if _is_kept(name) or name in env},
                pass_fds=[writing],
                start_new_session=True,  # the notebook's stop button is not for it: whoever waits ends it
            )
        except OSError as error:  # what is wrong with the version is said first
            self._problem = error
        finally:
            os.close(writing)

    def ask(self, request: bytes, alive: Callable[[], None]) -> bytes:
        """Send a request, and wait for the answer; empty where the process died.

        Parameters
        ----------
        request
            One, encoded.
        alive
            Is called now and then meanwhile.
        """
        if self._process is None:
            raise CheckFailed(
                f"Cannot start a clean process: {self._problem}.", "Nothing was registered. check=False does without."
            ) from self._problem
        answer: list[bytes] = []
        pipe = self._process.stdin
        thread = threading.Thread(target=lambda: answer.append(self._talk(pipe, request)), daemon=True)
        thread.start()
        while thread.is_alive():
            thread.join(_PULSE)
            alive()
        return answer[0]

    def _talk(self, pipe: Any, request: bytes) -> bytes:
        with contextlib.suppress(BrokenPipeError), pipe:
            pipe.write(request)
        with os.fdopen(self._reading, "rb", closefd=False) as answer:
            return answer.read()

    def said(self) -> str:
        """Say how a process that died did."""
        assert self._process is not None  # noqa: S101  # it was there to die
        code = self._process.wait()
        if code < 0:
            return f"was ended by {signal.Signals(-code).name}"
        assert self._process.stderr is not None  # noqa: S101  # it was asked for
        lines = self._process.stderr.read().decode(errors="replace").strip().splitlines()
        return f"ended with status {code}" + (f": {lines[-1]}" if lines else "")

    def close(self) -> None:
        """End the process, and clear up after it."""
        if self._process is not None:
            with contextlib.suppress(OSError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stderr):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()
        os.close(self._reading)
        self._folder.cleanup()


@contextlib.contextmanager
def clean_process(env: Sequence[str]) -> Iterator[CleanProcess]:
    """Start a clean process, and end it."""
    process = CleanProcess(env)
    try:
        yield process
    finally:
        process.close()


def run_check(
    process: CleanProcess,
    folder: Folder,
    manifest: Manifest,
    examples: Sequence[dict[str, Any]],
    *,
    captured: Captured | None = None,
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
        What was pickled in this process, where that is so: it can say in which cell something is.
    alive
        Is called now and then while the process works.

    Raises
    ------
    CheckFailed
        It could not be loaded, a sample failed, or an answer is another.
    """
    begun = time.monotonic()
    unset = [name for name in manifest.env if name not in os.environ]
    if unset:
        raise CheckFailed(
            f"{manifest.runner} cannot be checked: it declares {', '.join(unset)}, which is not set here.",
            "Nothing was registered. Set it, or give check=False.",
        )
    missing = missing_requirements(requirement.line for requirement in manifest.requirements)
    for line, there in missing.items():
        what = f"but {there} is installed here" if there else "but is not installed here"
        raise CheckFailed(
            f"{manifest.runner} cannot be checked: {line} is declared, {what}.",
            "Nothing was registered. Declare what is here, or install what is declared; check=False does without.",
        )
    request = Request(
        root=str(folder.root.absolute()),
        manifest=manifest,
        samples=[example["input"] for example in examples],
    )
    text = process.ask(msgspec.json.encode(request), alive)
    if not text:
        raise CheckFailed(
            f"The process that checked {manifest.runner} {process.said()}.",
            "Nothing was registered. Run the sample in a script of its own, or give check=False.",
        )
    answer = msgspec.json.decode(text, type=Answer)
    if answer.failure is not None:
        raise explain(answer.failure, manifest, captured, is_from_source=answer.is_from_source)
    remarks = list(_compare(manifest.runner, examples, answer))
    if manifest.code is not None and not answer.from_source:
        remarks.append("It was not loaded from runner.py, which is not complete.")
    seconds = round(time.monotonic() - begun, 3)
    python = platform.python_version()
    return Check(passed=True, samples=len(examples), remarks=remarks, seconds=seconds, python=python)


def _compare(runner: str, examples: Sequence[dict[str, Any]], answer: Answer) -> Iterator[str]:
    """Compare answers with those that are expected; give what there is to say."""
    for number, example in enumerate(examples, 1):
        which = f"sample {number}" if len(examples) > 1 else "the sample"
        first, second = answer.outputs[number - 1]
        is_steady = compare(first, second).outcome != "different"
        judge = compare if is_steady else alike
        if not is_steady:
            yield f"Its answer to {which} is not deterministic: compared by type and shape only."
        others = [("a clean process", first)]
        if answer.from_source:
            others.append(("a clean process, from runner.py,", answer.from_source[number - 1]))
        for who, found in others:
            comparison = judge(example["output"], found)
            if comparison.outcome == "different":
                raise CheckFailed(
                    f"{runner} answers {which} otherwise in {who} than here: {comparison.path or 'the answer'} is "
                    f"{comparison.found}, not {comparison.expected}.",
                    "Something that the runner uses was changed after it was imported or defined, and does not travel: "
                    "set it in load_model, or in the method that needs it.",
                )
            if comparison.outcome == "close":
                yield f"Its answer to {which} is close in {who}: {comparison.found} for {comparison.expected}."


def _installed_paths() -> list[str]:
    """List the folders of this process's path that packages are installed in, and where this one is.

    PYTHONPATH is not handed on, but some machines have their packages there.
    """
    home = Path(__file__).parent.parent
    return [*filter(_holds_packages, sys.path), str(home)]


def _holds_packages(path: str) -> bool:
    try:
        return Path(path).is_absolute() and any(name.endswith(".dist-info") for name in os.listdir(path))  # noqa: PTH208  # ten times as quick
    except OSError:  # no folder, or not one's own
        return False


def _is_kept(name: str) -> bool:
    return name in _KEPT or name.startswith(_KEPT_BEGINNINGS)


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
            f"{version.reference} has no examples to be checked with.", "Register it with a sample: sample=..."
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
            remarks = [failed.what]
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
