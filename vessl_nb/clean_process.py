"""The other side of the check: a fresh process that loads a version and answers its samples.

It is started with an empty working directory and few environment variables, reads one request from its standard input,
and writes one answer into a pipe of its own; what the runner prints goes nowhere. What it may import is what the
version declares: other packages are as if they were not installed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
import traceback
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from packaging.utils import canonicalize_name

from vessl_nb.capture.dependencies import dependency_closure
from vessl_nb.capture.distributions import distribution_of
from vessl_nb.capture.instances import decode_input
from vessl_nb.definitions import load_code
from vessl_nb.errors import CannotLoad, StageError, own_lines
from vessl_nb.loading import load_manifest
from vessl_nb.manifest import Manifest  # msgspec reads the annotations as the program runs
from vessl_nb.runner import answer
from vessl_nb.storage.blobs import Blobs
from vessl_nb.storage.folder import Folder
from vessl_nb.values.encoding import encode_loosely

if TYPE_CHECKING:
    from collections.abc import Sequence


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be checked.

    Attributes
    ----------
    root
        The registry's folder.
    manifest
        The version; its contents are in the registry, whether it is committed or not.
    samples
        What it is to answer, encoded.
    """

    root: str
    manifest: Manifest
    samples: list[Any]


class Failure(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What was raised.

    Attributes
    ----------
    kind, message
        The exception's class, and what it says.
    subject
        What it is about: the module, the name, the file or the environment variable that is missing.
    stage
        Where: ``load``, or a stage of the runner.
    sample
        At which sample, counted from 1; 0 for none.
    function, line
        The function, by its qualified name, and the line, where the user's own code raised it; empty where it did not.
    lines
        The traceback, cut to the user's own frames.
    is_variable
        `subject` is an environment variable.
    """

    kind: str
    message: str
    subject: str = ""
    stage: str = "load"
    sample: int = 0
    function: str = ""
    line: int = 0
    lines: list[str] = []
    is_variable: bool = False


class Answer(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What came of it.

    Attributes
    ----------
    outputs
        Each sample's answers, encoded: twice from byte code.
    from_source
        Each sample's answer, loaded from ``runner.py``; empty where that has not the source of every function.
    failure
        What was raised; None where nothing was.
    is_from_source
        It was raised by what was loaded from ``runner.py``.
    """

    outputs: list[list[Any]] = []
    from_source: list[Any] = []
    failure: Failure | None = None
    is_from_source: bool = False


def main(channel: int) -> None:
    """Answer the request on standard input, into a file descriptor; before each stands its length, in eight bytes."""
    os.set_inheritable(channel, False)  # whoever waits at the other end waits for this process alone
    os.register_at_fork(after_in_child=lambda: _close(channel))
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    length = int.from_bytes(sys.stdin.buffer.read(8), "big")
    request = msgspec.json.decode(sys.stdin.buffer.read(length), type=Request)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    found = msgspec.json.encode(_answer(request))
    with os.fdopen(channel, "wb") as pipe:
        pipe.write(len(found).to_bytes(8, "big") + found)
    os._exit(0)  # threads of the runner's, and what it registered to be done at the end, are not waited for


def _close(channel: int) -> None:
    with contextlib.suppress(OSError):
        os.close(channel)


def _end_with(parent: int) -> None:
    """End this process, and what it started, when the one that asks is no more: a kernel may be killed."""
    while os.getppid() == parent:
        time.sleep(1)
    os.killpg(0, signal.SIGKILL)


def _answer(request: Request) -> Answer:
    sys.meta_path.insert(0, _Declared(request.manifest))
    blobs = Blobs(Folder(Path(request.root)))
    outputs: list[list[Any]] = []
    from_source: list[Any] = []
    failure = _try(request, blobs, outputs, times=2)
    if failure is not None or not _is_complete(request.manifest, blobs):
        return Answer(outputs=outputs, failure=failure)
    again: list[list[Any]] = []
    failure = _try(request, blobs, again, times=1, from_source=True)
    from_source = [first for first, *_ in again]
    return Answer(outputs=outputs, from_source=from_source, failure=failure, is_from_source=failure is not None)


def _is_complete(manifest: Manifest, blobs: Blobs) -> bool:
    """Tell whether ``runner.py`` has the source of every function in the pickles."""
    source, code = manifest.source, load_code(manifest, blobs)
    return source is not None and bool(code) and code.keys() <= source.written.keys()


def _try(
    request: Request, blobs: Blobs, outputs: list[list[Any]], *, times: int, from_source: bool = False
) -> Failure | None:
    """Load the version and answer its samples; give what was raised."""
    sample = 0
    try:
        runner, model = load_manifest(request.manifest, blobs, from_source=from_source)
        for encoded in request.samples:
            sample += 1
            outputs.append([encode_loosely(answer(runner, model, decode_input(runner, encoded))) for _ in range(times)])
    except Exception as error:  # noqa: BLE001  # whatever the user's code raises is told
        return _describe(error, sample)
    return None


def _describe(error: Exception, sample: int) -> Failure:
    stage = error.stage if isinstance(error, StageError) else "load"
    origin: BaseException = error
    while isinstance(origin, StageError | CannotLoad) and origin.__cause__ is not None:
        origin = origin.__cause__
    first, *_ = str(origin).strip().splitlines() or [""]
    frames = list(traceback.walk_tb(origin.__traceback__))
    own = [(frame.f_code, line) for frame, line in frames if frame.f_code.co_filename in {"<cell>", "runner.py"}]
    code, line = own[-1] if own else (None, 0)
    is_variable = isinstance(origin, KeyError) and bool(frames) and frames[-1][0].f_globals.get("__name__") == "os"
    subject = origin.args[0] if is_variable else getattr(origin, "name", None) or getattr(origin, "filename", None)
    return Failure(
        kind=type(origin).__name__,
        message=first,
        subject=str(subject or ""),
        stage=stage,
        sample=sample,
        function=code.co_qualname if code else "",
        line=line,
        lines=own_lines(origin),
        is_variable=is_variable,
    )


class _Declared(MetaPathFinder):
    """Hides what is installed here and is not declared, with what the declared packages bring themselves."""

    def __init__(self, manifest: Manifest) -> None:
        self._requirements = [requirement.line for requirement in manifest.requirements]
        self._declared: set[str] | None = None
        self._is_asking = False

    def find_spec(self, name: str, path: Sequence[str] | None, target: Any = None) -> None:  # noqa: ARG002
        """Refuse a module of a package that is not declared; leave all others to the next finder."""
        if path is not None or name.partition(".")[0] in sys.stdlib_module_names or self._is_asking:
            return
        self._is_asking = True  # to find out whose a module is, finders are asked for it, and this is one
        try:
            is_declared = self._is_declared(name)
        finally:
            self._is_asking = False
        if not is_declared:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    def _is_declared(self, name: str) -> bool:
        distribution = distribution_of(name)
        if distribution is None or distribution.is_editable:
            return True
        if self._declared is None:
            self._declared = dependency_closure([*self._requirements, "vessl_nb"])
        return canonicalize_name(distribution.name) in self._declared
