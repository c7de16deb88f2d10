"""Writers: the processes that write into a registry, what each is writing, and what it pins.

::

    writers/<id>/            a process that writes, or did and was killed: <id> begins with a mark of its machine, and
                             its number
      writer.json            which process it is: {"machine", "host", "user", "pid", "started"}
      <n>.tmp                a file that it is writing, not yet under its name
      <n>.pin                digests of blobs that it is about to refer to, one a line

A pin keeps gc (`vessl_nb.storage.collection`) from a blob that no document names yet. It counts until its writer is
known to be dead, or its lease ran out: a process of this machine is asked for, and one of another is believed for
`LEASE` seconds after it last touched its ``writer.json``, by the clock of the disk. gc removes the folder of a writer
that does not count any more; one that lives all the same (a laptop that slept) finds that out before it commits.
"""

from __future__ import annotations

import contextlib
import getpass
import itertools
import os
import re
import shutil
import socket
import sys
import time
import uuid
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

import blake3
import msgspec

from vessl_nb.errors import RegistryError
from vessl_nb.storage.disk import take_after
from vessl_nb.storage.unreadable import UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

LEASE = 3600.0
"""How long a writer of another machine counts after its last sign of life, in seconds."""

_RENEWAL = 60.0
"""How often a writer at work gives a sign of life, in seconds."""

FOLDER = "writers"

GONE = ".gone-"
"""Is in the name of a folder that gc took away from its writer, until it is deleted."""

_CARD = "writer.json"


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """What ``writer.json`` says.

    Attributes
    ----------
    machine
        The machine since it was started, and the part of it in which process numbers mean something (a container).
    host, user
        Their names, for people.
    pid
        The process's number.
    started
        When the process began, as its machine says it: numbers are used again.
    """

    machine: str
    host: str
    user: str
    pid: int
    started: str


class Writer:
    """The process, as a writer into one registry.

    Parameters
    ----------
    root
        The registry's folder.
    """

    def __init__(self, root: Path) -> None:
        self.id = f"{_mark_of_this_machine()}-{os.getpid()}-{uuid.uuid4().hex[:16]}"
        self._root = root
        self.folder = root / FOLDER / self.id
        self._numbers = itertools.count(1)
        self._renewed = 0.0
        self._forget = weakref.finalize(self, _remove, self.folder, os.getpid())

    def announce(self) -> None:
        """Make the writer known, or give a sign of life, before anything is written."""
        try:
            os.utime(self.folder / _CARD)
        except FileNotFoundError:
            for folder in (self.folder.parent, self.folder):
                with contextlib.suppress(FileExistsError):
                    folder.mkdir()
                    take_after(self._root, folder, 0o7777)
            # Nobody takes a folder without a card for a dead writer's before its lease ran out.
            self.put(_CARD, msgspec.json.encode(_card_of_this_process()) + b"\n")
        self._renewed = time.monotonic()

    def now(self) -> float:
        """Ask the disk for the time: files get theirs from it, whatever the clocks of the machines say."""
        try:
            self.announce()
            return (self.folder / _CARD).stat().st_mtime
        except OSError:  # a registry that one may only look at
            return time.time()

    def stay_alive(self) -> None:
        """Give a sign of life, if the last one is a while ago.

        Raises
        ------
        RegistryError
            The writer was taken for dead, so that what it pinned may be gone.
        """
        if time.monotonic() - self._renewed > _RENEWAL:
            self.renew()

    def renew(self) -> None:
        """Give a sign of life; RegistryError as `stay_alive` raises it."""
        with self._in_words():
            os.utime(self.folder / _CARD)
        self._renewed = time.monotonic()

    def put(self, name: str, text: bytes) -> None:
        """Put a file into the writer's folder, whole or not at all."""
        temporary = self.temporary()
        with self._in_words():
            try:
                temporary.write_bytes(text)
                take_after(self._root, temporary, 0o666)
                temporary.rename(self.folder / name)
            except OSError:
                with contextlib.suppress(OSError):
                    temporary.unlink()
                raise

    def voided(self) -> RegistryError:
        """Build the error for a writer that was taken for dead."""
        return RegistryError(
            f"This process slept for so long that gc took it for dead and removed {self.folder}.",
            "Nothing was registered. Run it again.",
        )

    @contextlib.contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise self.voided() from None
        except OSError as error:
            raise RegistryError(
                f"Cannot write {self.folder}: {error.strerror}.",
                "Free it, or point VESSL_NB_REGISTRY to another folder.",
            ) from error

    def temporary(self) -> Path:
        """Give the path of a file to be written, which nothing reads before it has its name."""
        return self.folder / f"{self.new_name()}.tmp"

    def new_name(self) -> str:
        """Give a name that nothing in the writer's folder had before."""
        return str(next(self._numbers))


class Pins:
    """What one registration pins; made by `Folder.pins`."""

    def __init__(self, writer: Writer, sync: Callable[[Iterable[str]], None]) -> None:
        self._writer = writer
        self._sync = sync
        self._files: list[str] = []
        self._named: list[str] = []

    def add(self, digests: Collection[str]) -> None:
        """Pin blobs, whether they are there yet or not. Look whether they are there afterwards, not before."""
        self._writer.stay_alive()
        if not digests:
            return
        name = f"{self._writer.new_name()}.pin"
        self._writer.put(name, "\n".join(digests).encode())
        self._files.append(name)

    def stay_alive(self) -> None:
        """See `Writer.stay_alive`; to be called now and then while a large file is written."""
        self._writer.stay_alive()

    def named(self, keys: Iterable[str]) -> None:
        """Note files whose names need not be on disk before `check`: together they cost little more than one."""
        self._named += keys

    def check(self) -> None:
        """Make what is pinned ready to be referred to: its names are on disk, and the pins were in force all the time.

        Raises
        ------
        RegistryError
            The disk does not confirm the names, or gc may have taken away what was pinned.
        """
        self._sync(self._named)
        self._named.clear()
        self._writer.renew()
        if not all((self._writer.folder / name).exists() for name in self._files):
            raise self._writer.voided()

    def release(self) -> None:
        """Take the pins back."""
        for name in self._files:
            with contextlib.suppress(OSError):
                (self._writer.folder / name).unlink()
        self._files.clear()


class Found(msgspec.Struct, frozen=True):
    """A writer's folder, as gc finds it: its id, and whether it counts."""

    id: str
    counts: bool


def find_writers(root: Path, now: float) -> list[Found]:
    """List the writers' folders, each with whether its writer still counts; `now` is what `Writer.now` says."""
    try:
        folders = [folder for folder in (root / FOLDER).iterdir() if folder.is_dir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [Found(folder.name, _counts(folder, now)) for folder in folders]


def read_pins(root: Path, writer: str) -> set[str]:
    """Read what a writer pins; RegistryError where that cannot be known."""
    pinned: set[str] = set()
    folder = root / FOLDER / writer
    with contextlib.suppress(FileNotFoundError):  # a writer that ends, or releases a pin, has committed
        for file in folder.glob("*.pin"):
            with contextlib.suppress(FileNotFoundError):
                said = file.read_bytes().decode("ascii", "replace").split()
                if not all(re.fullmatch("[0-9a-f]{64}", digest) for digest in said):
                    raise RegistryError(
                        f"{file} is not what was written, and what it pins cannot be known.",
                        "Delete it when the process that wrote it has ended.",
                    )
                pinned.update(said)
    return pinned


def _counts(folder: Path, now: float) -> bool:
    if GONE in folder.name:
        return False
    try:
        card = msgspec.json.decode((folder / _CARD).read_bytes(), type=Card)
        last = (folder / _CARD).stat().st_mtime
    except (OSError, *UNREADABLE):  # it is just being made, or its writer died before that was done
        if _died_early(folder):
            return False
        card, last = None, now
        with contextlib.suppress(FileNotFoundError):  # it ended meanwhile
            last = folder.stat().st_mtime
    if card is not None and card.machine == _machine() and not _is_hidden(card.pid):
        return _started(card.pid) == card.started
    return abs(now - last) < LEASE  # a clock that was wrong keeps nobody alive for years


def _died_early(folder: Path) -> bool:
    """Tell whether a process of this machine began to make this folder, and was killed before its card was in it."""
    mark, _, rest = folder.name.partition("-")
    pid = rest.partition("-")[0]
    is_ours = mark == _mark_of_this_machine() and pid.isdecimal() and not (folder / _CARD).exists()
    return is_ours and _started(int(pid)) is None and not _is_hidden(int(pid))


def _card_of_this_process() -> Card:
    return Card(
        machine=_machine(),
        host=socket.gethostname(),
        user=user_name(),
        pid=os.getpid(),
        started=_started(os.getpid()) or "",
    )


def user_name() -> str:
    """Name the user; empty in a container whose user has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def _machine() -> str:
    if sys.platform == "linux":
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"  # noqa: PTH115  # it is no path
    import psutil  # noqa: PLC0415  # 15 ms, and only where /proc is not

    return f"{socket.gethostname()} {psutil.boot_time()}"


def _mark_of_this_machine() -> str:
    return blake3.blake3(_machine().encode()).hexdigest(4)


def _started(pid: int) -> str | None:
    """Tell when a process of this machine began; None where there is no such process."""
    if sys.platform == "linux":
        try:
            # The 22nd field, counted after the command's name, which may have spaces and brackets in it.
            status, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            return None
        return None if status in {"Z", "X"} else fields[18]  # killed, and not yet waited for
    import psutil  # noqa: PLC0415  # as above

    try:
        return str(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return None


def _is_hidden(pid: int) -> bool:
    """Tell whether this is another user's process, of which the machine tells nothing but that it is there."""
    if _started(pid) is None:
        with contextlib.suppress(ProcessLookupError, OverflowError):
            try:
                os.kill(pid, 0)
            except PermissionError:
                return True
    return False


def _remove(folder: Path, pid: int) -> None:
    if os.getpid() == pid:  # a fork of the writer is another process
        shutil.rmtree(folder, ignore_errors=True)
