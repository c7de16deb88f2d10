"""The manifest: the document that describes a version, where what was captured and what is registered meet.

It is a blob of JSON, named by the ``registered`` document of the journal. What it describes lies in other blobs, at the
places it names. Reading it runs no code and loads no pickle. Fields that this vessl_nb does not know are ignored; when
a field may be added and when the format's number must be raised stands in `vessl_nb.registry.format`.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from vessl_nb.storage.blobs import Place


class Item(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One object of a stream.

    Attributes
    ----------
    kind
        ``definition``: a class or function; its name is the key by which pickles refer to it.
        ``namespace``: a function, whose globals are the namespace of that name.
        ``capture``: the value of a name that the runner takes along, in a namespace.
        ``model``: the model instance.
    name
        The definition's key, the capture's name, or the namespace's.
    namespace
        For captures: the namespace, such as ``__main__``.
    type
        For captures and the model: the type's full name, such as ``numpy.ndarray``.
    size
        For captures and the model: what it added to the stream, in bytes, buffers included.
    """

    kind: Literal["definition", "namespace", "capture", "model"]
    name: str = ""
    namespace: str = ""
    type: str = ""
    size: int = 0


class Stream(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Objects pickled one after the other, with their buffers beside them.

    Attributes
    ----------
    pickles
        The pickles, one after the other (protocol 5).
    items
        What each of them is, in order.
    buffers
        Where their out-of-band buffers are, in the order in which the pickles ask for them.
    """

    pickles: Place
    items: list[Item]
    buffers: list[Place] = []


class Origin(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Where a version came from: the notebook's file name and the git commit, each empty where not known."""

    notebook: str = ""
    commit: str = ""


class Requirement(msgspec.Struct, frozen=True):
    """A package that a version needs.

    Attributes
    ----------
    line
        As pip takes it, such as ``scikit-learn==1.7.0``.
    reason
        Why it is here, in words.
    """

    line: str
    reason: str


class Manifest(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a version holds.

    Attributes
    ----------
    runner
        The key of the runner class among the definitions.
    definitions
        The classes and functions, by which the data's pickles refer to them. No data but what they hold themselves.
    byte_code
        The Python minor version, such as ``3.11``, that alone can read `definitions`; empty where they hold no byte
        code (the runner was imported from an installed module), so that any can.
    data
        The captures, then the model: pickles without code.
    source
        ``runner.py``, the readable source of the definitions; None where none could be found.
    props
        What `save_model` returned; None where it is not overridden.
    artifacts
        The dictionary as it was given to `register_model`.
    files
        The files that this registration wrote into the volume, by path.
    requirements, env
        The packages, and the names of the environment variables, that the version needs.
    python, packages
        The Python version, and those of the packages behind the pickles, that the version was registered with.
    origin
        Where it came from.
    """

    runner: str
    definitions: Stream
    byte_code: str = ""
    data: Stream | None = None
    source: Place | None = None
    props: dict[str, str] | None = None
    artifacts: dict[str, str] = {}
    files: dict[str, Place] = {}
    requirements: list[Requirement] = []
    env: list[str] = []
    python: str
    packages: dict[str, str] = {}
    origin: Origin = Origin()

    @property
    def model(self) -> Item | None:
        """The model among the data; None where the runner loads it in its own way."""
        return next((item for item in self._data_items() if item.kind == "model"), None)

    @property
    def captures(self) -> list[Item]:
        """The captures among the data."""
        return [item for item in self._data_items() if item.kind == "capture"]

    def places(self) -> list[Place]:
        """List every place that the manifest refers to."""
        streams = [self.definitions, *([self.data] if self.data else [])]
        return [
            *(place for stream in streams for place in (stream.pickles, *stream.buffers)),
            *([self.source] if self.source else []),
            *self.files.values(),
        ]

    def _data_items(self) -> list[Item]:
        return self.data.items if self.data else []


def encode_manifest(manifest: Manifest) -> bytes:
    """Write a manifest; dictionaries keep the order in which they were given."""
    return msgspec.json.encode(manifest)


def decode_manifest(text: bytes) -> Manifest:
    """Read a manifest; msgspec.DecodeError where it is none."""
    return msgspec.json.decode(text, type=Manifest)
