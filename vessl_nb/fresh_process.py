"""A fresh interpreter, started ahead, that is sent one request: how the check gets a clean process.

It has an empty working directory, the notebook's folder is not on its path, and of the environment it has what `_KEPT`
and `_KEPT_BEGINNINGS` say and the variables that the version declares.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vessl_nb.capture.site_folders import site_folders
from vessl_nb.errors import CheckFailed
from vessl_nb.spelling import spell
from vessl_nb.temporary_folder import temporary_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_KEPT = {"PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH", "PYTHONHASHSEED"}
_KEPT_BEGINNINGS = ("LC_", "CUDA_", "VESSL_NB_")

_PULSE = 0.2
"""How often the waiting process looks up, in seconds."""


class CleanProcess:
    """A fresh interpreter, started ahead: it imports what it needs itself while the version is still being made.

    Parameters
    ----------
    env
        The names of the environment variables that the version declares.
    folder
        Its working directory.
    """

    def __init__(self, env: Sequence[str], folder: Path) -> None:
        self.folder = folder
        self._env = {name: value for name, value in os.environ.items() if _is_kept(name) or name in env}
        self._lock = threading.Lock()
        self._is_closed = False
        self._process: subprocess.Popen[bytes] | None = None
        self._reading = -1
        self._problem: Exception | None = None

    def start(self) -> None:
        """Start the process. What hinders it is said when it is asked: what is wrong with the version comes first."""
        # In a thread, where neither Ctrl-C nor a form's Cancel arrives: half started, nobody would end it.
        thread = threading.Thread(target=self._start, daemon=True)
        thread.start()
        thread.join()  # a sample that forks meanwhile would hold the pipes of the start

    def _start(self) -> None:
        with self._lock:
            if self._is_closed:
                return
            try:
                self._reading, writing = os.pipe()
                try:
                    self._process = self._open(writing)
                finally:
                    os.close(writing)
            except Exception as error:  # noqa: BLE001  # `ask` says it
                self._problem = error

    def _open(self, writing: int) -> subprocess.Popen[bytes]:
        path = _installed_paths()
        script = f"import sys; sys.path += {path}; from vessl_nb.clean_process import main; main({writing})"
        return subprocess.Popen(  # noqa: S603  # this very interpreter
            [sys.executable, "-P", "-c", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd=self.folder,
            env=self._env,
            pass_fds=[writing],
            start_new_session=True,  # the notebook's stop button is not for it: whoever waits ends it
        )

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
                f"Cannot start a clean process: {self._problem}.",
                f"Nothing was registered. {spell('check', value=False)} does without.",
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
        # With its length, since a process that the sample has forked here holds this end of the pipe, too.
        with contextlib.suppress(BrokenPipeError), pipe:
            pipe.write(len(request).to_bytes(8, "big") + request)
        with os.fdopen(self._reading, "rb", closefd=False) as answer:
            length = answer.read(8)
            return answer.read(int.from_bytes(length, "big"))

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
        """End the process; once more does no harm."""
        with self._lock:
            self._is_closed = True
            if self._process is not None:
                with contextlib.suppress(OSError):
                    os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
                for pipe in (self._process.stdin, self._process.stderr):
                    if pipe is not None:
                        with contextlib.suppress(OSError):
                            pipe.close()
            reading, self._reading = self._reading, -1
            if reading >= 0:
                os.close(reading)


@contextlib.contextmanager
def clean_process(env: Sequence[str], folder: Path | None = None) -> Iterator[CleanProcess]:
    """Start a clean process, in an empty folder of its own where none is given, and end it."""
    with contextlib.nullcontext(folder) if folder else temporary_folder("check-") as place:
        process = CleanProcess(env, place)
        try:
            process.start()
            yield process
        finally:
            try:
                process.close()
            except KeyboardInterrupt:
                process.close()
                raise


def _installed_paths() -> list[str]:
    """List the folders of this process's path that packages are installed in, and where this one is.

    PYTHONPATH is not handed on, but some machines have their packages there.
    """
    found = [
        folder.path
        for folder in site_folders()
        if Path(folder.path).is_absolute() and any(info.path.endswith(".dist-info") for info in folder.infos)
    ]
    return [*found, str(Path(__file__).parent.parent)]


def _is_kept(name: str) -> bool:
    return name in _KEPT or name.startswith(_KEPT_BEGINNINGS)
