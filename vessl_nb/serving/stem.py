"""The process that loads a version, and from which its workers are forked: they share its memory, weights included.

It runs no request. A version that started threads of its own, or an accelerator, while it was loaded cannot be forked:
then the process becomes the one worker itself, and each further worker has a stem of its own.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import gc
import io
import logging
import os
import shutil
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from vessl_nb.capture.declared_types import declared_types, find_declaration
from vessl_nb.errors import CannotServe, VesslError
from vessl_nb.loading import check_environment, load_manifest
from vessl_nb.registry.names import parse_reference
from vessl_nb.registry.registry import open_registry
from vessl_nb.registry.version import Version
from vessl_nb.registry.volume import make_volume
from vessl_nb.runner import overrides
from vessl_nb.serving.answering import make_writer
from vessl_nb.serving.log import write_log
from vessl_nb.serving.orders import Fork, Forked, Loaded
from vessl_nb.serving.reading import accepts, is_declared, make_reader
from vessl_nb.serving.wire import Slots
from vessl_nb.serving.worker import Responder, end_process, work

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vessl_nb.runner import Runner

_LARGEST = 1 << 16
_PARTING = 2.0
"""How long the end of a front that has closed its socket is waited for, in seconds."""

_PAUSE_HARD = 2  # of OpenMP's omp_pause_resource_t
log = logging.getLogger("vessl_nb.serving")


def main(control: int, reference: str, digest: str, parent: int) -> None:
    """Load a version, and make workers as long as there is somebody at the other end.

    Parameters
    ----------
    control
        The descriptor of the socket to the front.
    reference, digest
        The version, with its revision, and what it must be.
    parent
        The front's process. It may be gone by now, and this one have another parent.
    """
    write_log()
    folder = Path.cwd()  # the front's own; the version may have another
    faulthandler.enable()
    if isinstance(sys.stdout, io.TextIOWrapper):
        # What the runner prints is in the log at once, and not once more for each worker forked with it unwritten.
        sys.stdout.reconfigure(line_buffering=True)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the front says when to stop
    front = socket.socket(fileno=control)
    front.set_inheritable(False)
    os.register_at_fork(after_in_child=front.close)  # the front waits for the end of this process alone
    try:
        with _ending_with(parent, folder):
            responder, loaded = _load(reference, digest)
    except BaseException as error:  # whatever the version's code raises is told, an exit as well
        if not isinstance(error, VesslError) or error.__cause__ is not None:
            log.exception("Loading %s failed", reference)  # at first: who is told ends this process
        front.send(msgspec.json.encode(_failure(error)))
        return
    # Else the first collection in a worker would write to every object, and none would be shared any more.
    gc.collect()
    gc.freeze()
    workers: set[int] = set()
    try:
        front.send(msgspec.json.encode(loaded))
        while True:
            message, descriptors, _, _ = socket.recv_fds(front, _LARGEST, 3)
            if not message:
                break
            # Else a command that the runner started would hold them open when its worker has ended.
            for descriptor in descriptors:
                os.set_inheritable(descriptor, False)
            fork = msgspec.json.decode(message, type=Fork)
            workers = {worker for worker in workers if _runs(worker)}
            living = contextlib.nullcontext() if loaded.can_fork else _ending_with(parent, folder)
            worker = _make_worker(responder, front, fork.place, descriptors, living, can_fork=loaded.can_fork)
            workers |= {worker} if worker else set()
    finally:
        # Nobody is there to hear a worker that still is at something.
        for worker in workers:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(worker, signal.SIGKILL)
        _end_without(parent, folder)


def _end_without(parent: int, folder: Path) -> None:
    """End this process and what it has started; and what the front would have cleared up, where that was killed."""
    deadline = time.monotonic() + _PARTING
    while os.getppid() == parent and time.monotonic() < deadline:  # its sockets end before it does; or it ends this one
        time.sleep(0.01)
    if os.getppid() != parent and folder.name.startswith("vessl_nb-serve-"):
        shutil.rmtree(folder, ignore_errors=True)
    os.killpg(0, signal.SIGKILL)


def _runs(worker: int) -> bool:
    try:
        return os.waitpid(worker, os.WNOHANG) == (0, 0)
    except ChildProcessError:  # the version's own code has asked for the end of every child
        return False


def _failure(error: BaseException) -> Loaded:
    if isinstance(error, VesslError):
        return Loaded(kind=type(error).__name__, what=error.what, next_step=error.next_step)
    return Loaded(kind="CannotLoad", what=f"Loading it raised {type(error).__name__}: {error}")


def _load(reference: str, digest: str) -> tuple[Responder, Loaded]:
    registry = open_registry()
    version = Version.of(registry, *registry.resolve(parse_reference(reference)))
    if version.digest != digest:
        raise CannotServe(
            f"The registry has another version under {reference} than the one that is served: it was replaced.",
            "Start the server anew.",
        )
    check_environment(version)
    manifest, signature = version.manifest, version.signature
    runner: Runner
    runner, model = load_manifest(manifest, registry.blobs, with_lines=True)
    examples = version.examples
    if overrides(runner, "load_model"):
        os.chdir(make_volume(registry.blobs, manifest))  # for life
    _rest_openmp()
    read = make_reader(runner, signature, [example["input"] for example in examples])
    given, got = declared_types(runner)
    loaded = Loaded(
        accepts=accepts(runner, signature),
        input_is_declared=is_declared(given, examples),
        output_is_declared=find_declaration(got, "output") is not None,
        can_fork=_can_fork(),
        examples=len(examples),
    )
    return Responder(runner, model, read, make_writer(runner), examples), loaded


def _can_fork() -> bool:
    if threading.active_count() > 2:  # noqa: PLR2004  # beside this thread there is the one that waits for the front's end
        return False
    torch = sys.modules.get("torch")
    return torch is None or not (torch.cuda.is_initialized() or getattr(torch, "xpu", torch.cuda).is_initialized())


def _rest_openmp() -> None:
    """End the threads that GNU's OpenMP computes with (torch, scikit-learn): a worker would wait for them for ever.

    A fork has none of them, and does not know it. Where they were ended, the next computation starts its own.
    """
    with contextlib.suppress(OSError, AttributeError):  # no Linux, or an OpenMP before 5.0
        mapped = Path("/proc/self/maps").read_text(errors="replace").splitlines()
        for library in {line.split(maxsplit=5)[-1] for line in mapped if "/libgomp" in line}:
            ctypes.CDLL(library).omp_pause_resource_all(_PAUSE_HARD)


def _make_worker(
    responder: Responder,
    front: socket.socket,
    place: int,
    descriptors: list[int],
    living: contextlib.AbstractContextManager[None],
    *,
    can_fork: bool,
) -> int:
    """Make a worker, and give its process; 0 where it is this one, or could not be made."""
    asks, answers, slots = descriptors
    try:
        pid = os.fork() if can_fork else 0
    except OSError as error:
        front.send(msgspec.json.encode(Forked(0, f"{error.strerror}")))
        pid = -1
    if pid != 0:
        for descriptor in descriptors:
            os.close(descriptor)
        if pid < 0:
            return 0
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.setpgid(pid, pid)  # here as well, so that it is done before anybody is told of it
        front.send(msgspec.json.encode(Forked(pid)))
        return pid
    if can_fork:
        os.setpgid(0, 0)  # what the runner starts ends with its worker
    else:
        front.send(msgspec.json.encode(Forked(os.getpid())))
    try:
        _draw_anew()
        with living:
            work(responder, socket.socket(fileno=asks), socket.socket(fileno=answers), Slots(slots), place)
    except BaseException:
        log.exception("A worker failed")
        end_process()
    if can_fork:
        end_process()
    return 0


def _draw_anew() -> None:
    """Give this worker random numbers of its own: those of Python differ after a fork, those of others do not."""
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()
    if "torch" in sys.modules:
        sys.modules["torch"].seed()


@contextlib.contextmanager
def _ending_with(parent: int, folder: Path) -> Iterator[None]:
    """End this process when the front is no more, though loading or a request hangs in it."""
    is_over = threading.Event()

    def wait() -> None:
        while not is_over.wait(1):
            if os.getppid() != parent:
                _end_without(parent, folder)

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
