"""The manifest: the document that describes a version, where what was captured and what is registered meet.

It is a blob of JSON, named by the ``registered`` document of the journal. What it describes lies in other blobs, at the
places it names. Reading it runs no code and loads no pickle. Fields that this vessl_nb does not know are ignored; when
a field may be added and when the format's number must be raised stands in `vessl_nb.registry.format`.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from vessl_nb.storage.blobs import Place, Size


class Pickles(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Objects pickled one after the other, by one pickler, with their buffers beside them.

    Attributes
    ----------
    pieces
        The pickles, one after the other (protocol 5), in pieces to be read as one: large texts and bytes in them are
        pieces by themselves, so that an unchanged one is found again.
    objects
        What each of them is, in order: ``runner``, the class; ``model``, the instance.
    buffers
        Where their out-of-band buffers are, in the order in which the pickles ask for them.
    """

    pieces: list[Place]
    objects: list[Literal["runner", "model"]]
    buffers: list[Place] = []


class Code(msgspec.Struct, frozen=True, kw_only=True):
    """The byte code of the functions in the pickles, by the keys that the pickles have in its place.

    Attributes
    ----------
    place
        A dictionary of keys to code objects, written by ``marshal``, version 2.
    python
        The Python minor version, such as ``3.11``, that alone can read it.
    """

    place: Place
    python: str


class Capture(msgspec.Struct, frozen=True, kw_only=True):
    """A global name that the runner's code uses, and whose value is therefore in the pickles.

    Attributes
    ----------
    name
        Its name; with a number and a colon before it, where it is in another namespace than the runner's.
    type
        The full name of its value's type, such as ``numpy.ndarray``.
    size
        What it adds to the pickles, in bytes, buffers included.
    """

    name: str
    type: str
    size: Size


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
        The name of the runner class.
    model
        The full name of the model's type; empty where the runner loads its model in its own way.
    pickles
        The runner, with all it uses, and the model: data, without code.
    code
        The byte code that goes with them; None where no function travels with the version (the runner was imported
        from an installed module), so that any Python can load it.
    captures
        The global names whose values are in the pickles.
    source
        ``runner.py``, the readable source of what was written in the notebook; None where none could be found.
    props
        What `save_model` returned; None where it is not overridden.
    artifacts
        The dictionary as it was given to `register_model`.
    files
        All files of the volume by path, those included that the model had before.
    requirements, env
        The packages, and the names of the environment variables, that the version needs.
    python, packages
        The Python version, and those of the packages behind the pickles, that the version was registered with.
    origin
        Where it came from.
    """

    runner: str
    model: str = ""
    pickles: Pickles
    code: Code | None = None
    captures: list[Capture] = []
    source: Place | None = None
    props: dict[str, str] | None = None
    artifacts: dict[str, str] = {}
    files: dict[str, Place] = {}
    requirements: list[Requirement] = []
    env: list[str] = []
    python: str
    packages: dict[str, str] = {}
    origin: Origin = Origin()

    def places(self) -> list[Place]:
        """List every place that the manifest refers to."""
        return [
            *self.pickles.pieces,
            *self.pickles.buffers,
            *([self.code.place] if self.code else []),
            *([self.source] if self.source else []),
            *self.files.values(),
        ]


def encode_manifest(manifest: Manifest) -> bytes:
    """Write a manifest; dictionaries keep the order in which they were given."""
    return msgspec.json.encode(manifest)


def decode_manifest(text: bytes) -> Manifest:
    """Read a manifest; msgspec.DecodeError where it is none."""
    return msgspec.json.decode(text, type=Manifest)
