"""The manifest: the document that describes a version, where what was captured and what is registered meet.

It is a blob of JSON, named by the ``registered`` document of the journal. What it describes lies in other blobs, at the
places it names. Reading it runs no code and loads no pickle. Fields that this vessl_nb does not know are ignored; when
a field may be added and when the format's number must be raised stands in `vessl_nb.registry.format`.
"""

from __future__ import annotations

from typing import Any, Literal

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


class Capture(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A name that the runner's code uses, or the model's, and whose value is therefore in the pickles.

    Attributes
    ----------
    name
        Its name; an attribute of a class has the class before it.
    kind
        How the code reaches it: as a global name, from a closure, as a parameter's default, as an attribute of a class.
    type
        The full name of its value's type, such as ``numpy.ndarray``; ``function`` and ``class`` for what was written.
    size
        What it adds to the pickles, in bytes, buffers included; 0 for functions and classes.
    place
        Where it was defined, such as ``In[3]``; empty where that is not known.
    users
        The functions and classes that use it.
    secret
        Why it looks like a secret, in words; empty where it does not.
    """

    name: str
    kind: Literal["global", "closure", "default", "attribute"] = "global"
    type: str
    size: Size
    place: str = ""
    users: list[str] = []
    secret: str = ""


class Written(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Where the source of a function is.

    Attributes
    ----------
    name
        Its qualified name, without the comprehensions that it may be in.
    place
        Which of those with this name it is, counted from 0 in the order of their places.
    module
        The module that has it; empty for ``runner.py``.
    """

    name: str
    place: int = 0
    module: str = ""


class Source(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """``runner.py``: the readable source of what was written in the notebook.

    Attributes
    ----------
    place
        Its text.
    written
        Where the source of each function in the pickles is, by the key that the pickles have in its place.
    unwritten
        What could not be written down, in sentences; functions of which this is said have no place in `written`.
    """

    place: Place
    written: dict[str, Written] = {}
    unwritten: list[str] = []


class Signature(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a client sends and gets, as JSON Schema (draft 2020-12) of plain JSON; empty where nothing is known."""

    input: dict[str, Any] = {}
    output: dict[str, Any] = {}


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
        The names whose values are in the pickles.
    source
        ``runner.py``; None where nothing was written in a notebook.
    modules
        The files of local modules and packages, by their paths where they are imported from, such as ``helper.py``.
    props
        What `save_model` returned; None where it is not overridden.
    artifacts
        The dictionary as it was given to `register_model`.
    files
        All files of the volume by path, those included that the model had before.
    requirements, env
        The packages, and the names of the environment variables, that the version needs.
    reads
        The names of the environment variables that the code reads, whether they are among those or not.
    signature
        What a client sends and gets; None where nothing is known of it.
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
    source: Source | None = None
    modules: dict[str, Place] = {}
    props: dict[str, str] | None = None
    artifacts: dict[str, str] = {}
    files: dict[str, Place] = {}
    requirements: list[Requirement] = []
    env: list[str] = []
    reads: list[str] = []
    signature: Signature | None = None
    python: str
    packages: dict[str, str] = {}
    origin: Origin = Origin()

    def places(self) -> list[Place]:
        """List every place that the manifest refers to."""
        return [
            *self.pickles.pieces,
            *self.pickles.buffers,
            *([self.code.place] if self.code else []),
            *([self.source.place] if self.source else []),
            *self.modules.values(),
            *self.files.values(),
        ]


def encode_manifest(manifest: Manifest) -> bytes:
    """Write a manifest; dictionaries keep the order in which they were given."""
    return msgspec.json.encode(manifest)


def decode_manifest(text: bytes) -> Manifest:
    """Read a manifest; msgspec.DecodeError where it is none."""
    return msgspec.json.decode(text, type=Manifest)
