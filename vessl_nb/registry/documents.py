"""The kinds of journal documents, and their bodies.

Each is one struct; `KINDS` has the word that the document's ``kind`` field says. A kind that a reader does not know
makes it refuse the repository, in words.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from vessl_nb.storage.blobs import Place, Size

Number = Annotated[int, msgspec.Meta(ge=1, le=(1 << 63) - 1)]


class RepositoryCreated(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A repository was created, or described anew; a registration alone creates one as well."""

    description: str = ""


class ModelCreated(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A model was created, with the next number, and files for its volume; nothing is there to serve yet."""

    number: Number
    name: str = ""
    files: dict[str, Place] = {}


class FilesAdded(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Files were put into the volume of a model: the next revision has them; those that stand already do not."""

    number: Number
    files: dict[str, Place]


class Check(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """How a version answered its samples in a clean process.

    Attributes
    ----------
    passed
        Whether it did, as it had before.
    samples
        How many there were.
    remarks
        What there is to say of it, in sentences: what differed within the tolerance, what was not deterministic, why
        it failed.
    seconds
        How long it took.
    python
        The Python version that it ran under.
    """

    passed: bool
    samples: int
    remarks: list[str] = []
    seconds: float
    python: str


class Registered(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """A runner was registered: a model with the next number, or the next revision of a model that exists.

    Attributes
    ----------
    number, revision
        Which it is.
    manifest
        Where its manifest is.
    examples
        Where its examples are; None where there are none.
    runner
        The runner's name, for listings.
    size
        How many bytes its contents have, shared ones included.
    added
        How many bytes this registration wrote into the blobs.
    requirements
        The packages it needs, for listings.
    tags, aliases, description
        What the user said of it. The aliases point at this revision from here on.
    check
        How it was checked before it was committed; None where it was not.
    unchecked
        The user did not want it checked; else a version without `check` had no sample.
    """

    number: Number
    revision: Number
    manifest: Place
    examples: Place | None = None
    runner: str
    size: Size
    added: Size
    requirements: list[str] = []
    tags: dict[str, str | int | float | bool | None] = {}
    aliases: list[str] = []
    description: str = ""
    check: Check | None = None
    unchecked: bool = False


class AliasMoved(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """An alias was set: it points at this number and revision from here on."""

    alias: str
    number: Number
    revision: Number


class Checked(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A revision was checked again: this result counts from here on."""

    number: Number
    revision: Number
    check: Check


class Archived(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A model was archived, or taken back from there: a reference without a number passes it over."""

    number: Number
    undone: bool = False


class Deleted(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A model was deleted, with its aliases; its number is never used again, and gc frees what only it had."""

    number: Number


class Purged(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A revision was removed for good, or its examples.

    Attributes
    ----------
    number, revision
        Which it is.
    examples
        Where the examples are that remain, where only some were removed; None for none.
    whole
        The whole revision is gone, not only examples.
    """

    number: Number
    revision: Number
    examples: Place | None = None
    whole: bool = False


Body = RepositoryCreated | ModelCreated | FilesAdded | Registered | AliasMoved | Checked | Archived | Deleted | Purged

KINDS: dict[str, type[Body]] = {
    "repository created": RepositoryCreated,
    "model created": ModelCreated,
    "files added": FilesAdded,
    "registered": Registered,
    "alias moved": AliasMoved,
    "checked": Checked,
    "archived": Archived,
    "deleted": Deleted,
    "purged": Purged,
}

KIND_OF: dict[type[Body], str] = {body: kind for kind, body in KINDS.items()}
