"""Pickles whose large data lies beside them.

Buffers (of numpy, pandas and everything else that knows pickle protocol 5, and torch's storages) leave the pickle, in
the order in which they come in it, and are put back in that order. Large texts and bytes stay in the pickle, which is
cut around them. Several objects may be pickled one after the other by one pickler: what two of them share is shared
again after loading by one unpickler.
"""

from __future__ import annotations

import mmap
import pickle
import sys
from collections import deque
from contextlib import contextmanager
from functools import partial
from io import BufferedReader, BytesIO, RawIOBase, TextIOWrapper
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

import cloudpickle
from cloudpickle.cloudpickle import subimport

from vessl_nb.storage import restore
from vessl_nb.storage.blobs import Later

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from _typeshed import ReadableBuffer, WriteableBuffer

SMALL = 4096
"""Buffers of fewer bytes than this stay in the pickle: a place in the manifest costs about as much."""

LARGE_PIECE = 1 << 18
"""Texts and bytes of more than this many bytes, some frames of a pickle, are pieces of their own."""


class _Storage:
    """A real storage of torch; it stays alive, and so keeps its address to itself."""

    def __init__(self, untyped: Any) -> None:
        self.untyped = untyped


def is_in_memory(untyped: Any) -> bool:
    """Tell whether a torch storage is in the machine's own memory."""
    return bool(untyped.device.type == "cpu")


def _is_plain(tensor: Any) -> bool:
    """Tell whether a tensor is no more than a view of a storage; torch knows what to do with the others."""
    torch = sys.modules["torch"]
    return (
        type(tensor) in (torch.Tensor, torch.nn.Parameter)
        and tensor.layout is torch.strided
        and tensor.device.type != "meta"
        and tensor.is_leaf
        and not (tensor.is_quantized or tensor.is_conj() or tensor.is_neg() or tensor.is_nested)
        and not (tensor._is_zerotensor() or _has_names(tensor))  # noqa: SLF001  # such as no memory is behind
        and not (vars(tensor) or tensor._backward_hooks)  # noqa: SLF001  # as torch's own saving asks
    )


def _has_names(tensor: Any) -> bool:
    return hasattr(tensor, "has_names") and bool(tensor.has_names())  # until torch 2.12


def _bytes_of(untyped: Any) -> memoryview:
    torch = sys.modules["torch"]
    return memoryview(torch.empty(0, dtype=torch.uint8).set_(untyped.cpu()).numpy())


def _reduce_module(module: ModuleType) -> Any:
    """Let an imported module of a subclass, such as ``torch.classes``, go by its name, as cloudpickle lets plain ones.

    Cloudpickle knows modules by their exact type, and takes along every submodule whose name a function mentions, even
    where it names an attribute of something else.
    """
    if type(module) is not ModuleType and sys.modules.get(module.__name__) is module:
        return subimport, (module.__name__,)
    return NotImplemented


class _Pieces:
    """The file that a pickler writes into: it keeps large texts and bytes as pieces of their own, uncopied.

    Pickle's C code gathers what is small into frames of about 64 KiB, and hands over what is larger than a frame as it
    is: so a write of more than `LARGE_PIECE` bytes is one such object's contents. What is between them is taken out
    of its file (`getvalue` copies nothing): a view of it would hinder the file's end, which Python 3.13 complains of.
    """

    def __init__(self) -> None:
        self._closed: list[ReadableBuffer] = []
        self._open = BytesIO()
        self.length = 0

    def write(self, part: bytes) -> None:
        """Take in the next part of the pickle."""
        self.length += len(part)
        if len(part) < LARGE_PIECE:
            self._open.write(part)
            return
        self._closed += [self._open.getvalue(), part]
        self._open = BytesIO()

    def pieces(self) -> list[memoryview]:
        """Give all that was written, in pieces."""
        every = [memoryview(piece) for piece in (*self._closed, self._open.getvalue())]
        return [piece for piece in every if piece.nbytes]


class _Reader(RawIOBase):
    """Reads pieces as one file."""

    def __init__(self, pieces: Iterable[ReadableBuffer]) -> None:
        self._left: deque[memoryview] = deque(memoryview(piece) for piece in pieces)

    def readable(self) -> bool:
        return True

    def readinto(self, target: WriteableBuffer) -> int:
        while self._left and not self._left[0]:
            self._left.popleft()
        if not self._left:
            return 0
        wanted = memoryview(target).cast("B")
        part = self._left[0][: len(wanted)]
        wanted[: len(part)] = part
        self._left[0] = self._left[0][len(part) :]
        return len(part)


class Viewed(NamedTuple):
    """A torch storage, and the tensors that look at it.

    Attributes
    ----------
    size
        How large the storage is, in bytes.
    tensors
        The tensors.
    """

    size: int
    tensors: list[Any]

    def used(self) -> int:
        """Count the bytes that lie between the first and the last element of some tensor."""
        spans = []
        for tensor in self.tensors:
            if tensor.is_nested:  # it has no strides to speak of
                spans.append((0, self.size))
            elif tensor.numel():
                last = sum((size - 1) * stride for size, stride in zip(tensor.size(), tensor.stride(), strict=True))
                start, width = tensor.storage_offset() * tensor.element_size(), (last + 1) * tensor.element_size()
                spans.append((start, start + width))
        used = end = 0
        for start, stop in sorted(spans):
            used += max(0, stop - max(start, end))
            end = max(end, stop)
        return used


class BufferPickler(cloudpickle.Pickler):  # type: ignore[misc]  # cloudpickle ships no types
    """A pickler that leaves buffers out and keeps them in `buffers`, without a copy of them.

    Attributes
    ----------
    buffers
        The buffers left out so far, in order.
    viewed
        Torch's storages met so far, with the tensors that look at them.
    """

    def __init__(self) -> None:
        self._file = _Pieces()
        self.buffers: list[memoryview | Later] = []
        self.viewed: dict[int, Viewed] = {}
        self._elsewhere: dict[int, tuple[mmap.mmap, Later]] = {}
        self._left_out = 0  # bytes
        self.plain: set[type] = set()  # types that pickle knows by itself: to ask torch of each object takes long
        self._storages: dict[int, _Storage] = {}
        # Asked for each object, which takes cloudpickle's chain of two tables long.
        self.dispatch_table = dict(cloudpickle.Pickler.dispatch_table)
        super().__init__(self._file, protocol=5, buffer_callback=self._leave_out)

    def pieces(self) -> list[memoryview]:
        """Give everything pickled so far, one pickle after the other, in pieces to be read as one."""
        return self._file.pieces()

    def length(self) -> int:
        """Count the bytes pickled so far, those of the buffers included."""
        return self._file.length + self._left_out

    def reducer_override(self, obj: Any) -> Any:
        """Take torch's storages apart, and refuse open files; leave the rest to cloudpickle."""
        if type(obj) in self.plain:
            return NotImplemented
        if isinstance(obj, TextIOWrapper) and obj not in (sys.stdin, sys.stdout, sys.stderr):
            raise TypeError(f"cannot pickle {type(obj).__name__!r} object")  # cloudpickle would read it to its end
        torch = sys.modules.get("torch")
        if torch is not None:
            if isinstance(obj, torch.Tensor):
                self._note_view(obj)
                return self._reduce_plainly(obj) if _is_plain(obj) else NotImplemented
            if isinstance(obj, torch.storage.TypedStorage):
                return restore.torch_typed_storage, (self._storage_of(obj._untyped_storage), obj.dtype)  # noqa: SLF001
            if isinstance(obj, torch.UntypedStorage):
                # What rebuilds a tensor of a newer dtype wants a typed one, as torch.load gives it.
                return restore.torch_typed_storage, (self._storage_of(obj), torch.uint8)
            if isinstance(obj, _Storage):
                return restore.torch_storage, (self._buffer_of(obj.untyped), str(obj.untyped.device))
        reduced = super().reducer_override(obj)
        if isinstance(obj, ModuleType):
            reduced = _reduce_module(obj)
        # Functions and classes go by name or by value, each as it is.
        elif reduced is NotImplemented and not isinstance(obj, type | FunctionType | TextIOWrapper):
            self.plain.add(type(obj))
        return reduced

    def _storage_of(self, untyped: Any) -> _Storage:
        """Give one object for each real storage: every tensor makes wrappers of its own."""
        return self._storages.setdefault(untyped._cdata, _Storage(untyped))  # noqa: SLF001  # as torch's own saving

    def _reduce_plainly(self, tensor: Any) -> Any:
        """Take a tensor apart as torch does, in a third of the time: a network has thousands."""
        torch = sys.modules["torch"]
        make = restore.torch_tensor if type(tensor) is torch.Tensor else restore.torch_parameter
        storage = self._storage_of(tensor.untyped_storage())
        size, stride = tuple(tensor.shape), tensor.stride()
        return make, (storage, tensor.dtype, tensor.storage_offset(), size, stride, tensor.requires_grad)

    def _note_view(self, tensor: Any) -> None:
        torch = sys.modules["torch"]
        is_empty = torch.nn.parameter.is_lazy(tensor) or tensor.device.type == "meta"
        if tensor.layout is torch.strided and not is_empty:
            untyped = tensor.untyped_storage()
            seen = self.viewed.setdefault(untyped._cdata, Viewed(untyped.nbytes(), []))  # noqa: SLF001  # as below
            seen.tensors.append(tensor)

    def _buffer_of(self, untyped: Any) -> pickle.PickleBuffer:
        """Give a storage's bytes; for those of an accelerator a stand-in, so that they need not all be in memory."""
        if is_in_memory(untyped) or untyped.nbytes() < SMALL:
            # Of the array, not of a memoryview: Python 3.11 crashes when it collects the two in a cycle.
            return pickle.PickleBuffer(_bytes_of(untyped).obj)
        stand_in = mmap.mmap(-1, untyped.nbytes())  # takes no memory before it is touched
        self._elsewhere[id(stand_in)] = stand_in, Later(untyped.nbytes(), partial(_bytes_of, untyped))
        return pickle.PickleBuffer(stand_in)

    def _leave_out(self, buffer: pickle.PickleBuffer) -> bool:
        view = buffer.raw()
        if view.nbytes < SMALL:
            return True
        _, later = self._elsewhere.get(id(view.obj), (None, None))
        self.buffers.append(later or view)
        self._left_out += view.nbytes
        return False


class BufferUnpickler:
    """Reads what a `BufferPickler` wrote, one object after the other.

    Parameters
    ----------
    pieces
        What its `pieces` gave.
    buffers
        Its buffers, in order; writable where the loaded objects should be.
    """

    def __init__(self, pieces: Iterable[ReadableBuffer], buffers: Iterable[ReadableBuffer]) -> None:
        self._unpickler = pickle.Unpickler(BufferedReader(_Reader(pieces)), buffers=iter(buffers))

    def load(self) -> Any:
        """Read the next object; `restoring` must be in force."""
        return self._unpickler.load()


@contextmanager
def restoring(context: restore.Context) -> Iterator[None]:
    """Let pickles be read in a context."""
    token = restore.CONTEXT.set(context)
    try:
        yield
    finally:
        restore.CONTEXT.reset(token)
