"""What is asked of the operating system beyond Python's own functions: exclusive names, clones, private maps."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import functools
import mmap
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from _typeshed import ReadableBuffer

_CANNOT = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EMLINK, errno.EXDEV}
"""What file systems answer that have no hard links, or no clones."""

CHUNK = 1 << 20
"""How many bytes are copied at a time, in bytes: few enough to stay in a processor's cache between two uses."""

_EARLY = 4 * CHUNK
"""After this many bytes the kernel is asked to begin writing them out, in bytes."""


_MAP_FIXED = 0x10  # on Linux and macOS alike


class CannotPublish(OSError):
    """The file system can give a file its name only by replacing what has that name."""


def publish(temporary: Path, final: Path) -> bool:
    """Give a finished file its name, if that is free: of many racing writers exactly one gets it.

    Returns
    -------
    bool
        False where the name is taken; the temporary file is then still there.

    Raises
    ------
    CannotPublish
        The file system has neither hard links nor a rename that refuses to replace.
    """
    try:
        os.link(temporary, final)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
        return _rename_exclusively(temporary, final)
    with contextlib.suppress(OSError):  # it has its name: another one does no harm, and goes with its writer
        temporary.unlink()
    return True


def _rename_exclusively(temporary: Path, final: Path) -> bool:
    rename = _exclusive_rename()
    problem = rename(os.fsencode(temporary), os.fsencode(final)) if rename else errno.ENOSYS
    if problem == errno.EEXIST:
        return False
    if problem in _CANNOT:
        raise CannotPublish(problem, "the file system has neither hard links nor a rename that refuses to replace")
    if problem:
        raise OSError(problem, os.strerror(problem), str(final))
    return True


@functools.cache
def _exclusive_rename() -> Any:
    """Find the C library's rename that refuses to replace: a function of two paths that gives an errno, or 0."""
    libc = ctypes.CDLL(None, use_errno=True)
    if sys.platform == "darwin" and hasattr(libc, "renamex_np"):
        return lambda old, new: ctypes.get_errno() if libc.renamex_np(old, new, 4) else 0  # 4: RENAME_EXCL
    if hasattr(libc, "renameat2"):
        here = -100  # AT_FDCWD; the 1 below is RENAME_NOREPLACE
        return lambda old, new: ctypes.get_errno() if libc.renameat2(here, old, here, new, 1) else 0
    return None


def write_all(descriptor: int, content: ReadableBuffer) -> None:
    """Write the whole of a content."""
    view = memoryview(content).cast("B")
    while view:  # one write() takes 2 GiB at most
        view = view[os.write(descriptor, view) :]


def take_after(root: Path, path: Path, bits: int) -> None:
    """Give a file or folder the group of a registry's root, and of the root's permissions those in `bits`."""
    status = root.stat()
    if path.stat().st_gid != status.st_gid:
        with contextlib.suppress(PermissionError):  # a group that the user is not in
            os.chown(path, -1, status.st_gid)
    path.chmod(status.st_mode & bits)


def start_writing_out(descriptor: int, end: int) -> None:
    """Let the kernel begin to put on disk what was just written, whenever a few MiB have gathered before `end`.

    It then has little left to do when the file is synced: a fifth of the time of a large registration.
    """
    if end % _EARLY == 0 and sys.platform == "linux":
        # This advice starts the writing of what it would like to drop; Python has no sync_file_range.
        os.posix_fadvise(descriptor, end - _EARLY, _EARLY, os.POSIX_FADV_DONTNEED)


def sync(descriptor: int) -> None:
    """Put a file on disk."""
    if sys.platform == "darwin":  # whose fsync leaves it in the drive's own memory
        with contextlib.suppress(OSError):  # file systems that know no more than fsync
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
            return
    os.fsync(descriptor)


def sync_folder(folder: Path) -> None:
    """Put the names in a folder on disk, where the file system can be asked for that."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        sync(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT:  # some network file systems sync names by themselves, and refuse to be asked
            raise
    finally:
        os.close(descriptor)


def clone(source: int, target: int) -> bool:
    """Let an empty file share the blocks of another, copied when one of the two is written to.

    Parameters
    ----------
    source, target
        Descriptors.

    Returns
    -------
    bool
        False where the file system cannot do it, or the two are on different ones.
    """
    if sys.platform != "linux":
        return False
    try:
        fcntl.ioctl(target, 0x40049409, source)  # FICLONE of linux/fs.h
    except OSError:
        return False
    return True


def copy_file(source: int, target: int) -> None:
    """Copy a whole file into an empty one, without a copy of its blocks where the file system can do that."""
    if clone(source, target):
        return
    if hasattr(os, "copy_file_range"):
        with contextlib.suppress(OSError):  # file systems that cannot; what was copied so far is copied again
            while os.copy_file_range(source, target, 1 << 30):
                pass
            if os.fstat(target).st_size == os.fstat(source).st_size:
                return
    os.lseek(source, 0, os.SEEK_SET)
    os.lseek(target, 0, os.SEEK_SET)
    while chunk := os.read(source, CHUNK):
        write_all(target, chunk)


def map_privately(descriptor: int, length: int) -> memoryview:
    """Map a file's first bytes: writable, private to this process, and without keeping a descriptor open.

    Python's own mmap keeps one each before 3.13, so that a forest of large trees would run into ``ulimit -n``.

    Parameters
    ----------
    descriptor
        The file, opened to be read; it may be closed afterwards.
    length
        How many bytes to map; mapping more than the file has is a crash on first use.
    """
    if length == 0:  # which mmap refuses
        return memoryview(bytearray())
    if sys.version_info >= (3, 13):
        return memoryview(mmap.mmap(descriptor, length, access=mmap.ACCESS_COPY, trackfd=False))
    # The file takes the place of a region that Python's own object frees, when nothing refers to it any more. (A
    # finalizer would free it before a model that is garbage in a cycle has run its own.)
    region = mmap.mmap(-1, length, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    address = ctypes.addressof(ctypes.c_char.from_buffer(region))
    access, how = mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_PRIVATE | _MAP_FIXED
    if _libc_mmap()(address, length, access, how, descriptor, 0) != address:
        problem = ctypes.get_errno()
        raise OSError(problem, os.strerror(problem))
    return memoryview(region)


@functools.cache
def _libc_mmap() -> Any:
    function = ctypes.CDLL(None, use_errno=True).mmap
    function.restype = ctypes.c_void_p
    function.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_longlong]
    return function
