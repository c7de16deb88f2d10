"""What is on disk, format 1.

::

    <root>/                          VESSL_NB_REGISTRY, or ~/.vessl_nb/registry
      format.json                    {"format": 1, "id": "<32 hex digits>", "created": "<UTC time>"}
      journal/<organization>/<repository>/00000001.json
                                     what happened, one immutable document each: `vessl_nb.storage.journal`
                                     describes the document, `vessl_nb.registry.documents` its kinds
      blobs/<ab>/<digest>            immutable bytes, named by their blake3 digest: `vessl_nb.storage.blobs`

    and beside them notes of the writers and of gc. But for the trash, where a gc that was killed may have left what is
    still wanted, they need not be copied, and can be deleted while nobody writes:

      heads/<organization>/<repository>.json
                                     how far a journal had come, so that a lost end is missed:
                                     `vessl_nb.storage.journal`
      checkpoints/<organization>/<repository>.msgpack
                                     the fold of a long journal: `vessl_nb.registry.checkpoint`
      writers/<id>/                  a process that writes, and what it pins: `vessl_nb.storage.writers`
      trash/<id>/<digest>            what gc is about to delete, or to put back: `vessl_nb.storage.collection`

Among the blobs, each registered revision has

- its manifest, JSON: `vessl_nb.manifest` describes every field;
- its examples, JSON, where samples were given: ``[{"input": ..., "output": ...}, ...]``, in the encoding of
  `vessl_nb.values.encoding`; in a blob of their own, so that they can be purged;
- its contents, at the places that the manifest names: pickles and their buffers, byte code, ``runner.py``, files.

A revision is whole by itself: its manifest names all it holds, what earlier ones stored included.

Of vessl_nb, pickles name the functions of `vessl_nb.storage.restore` and the classes of `vessl_nb.runner`, and nothing
else; of cloudpickle, what it puts there.

The folders of an organization and a repository are their names in lower case, since two names that differ only by
case are refused; the first document has the name as it is spelled. Whoever copies the folder while others write to it
copies `format.json` and `journal` first, then `blobs`, then `trash`, and nothing else.

Everything is plain files, read-only, with no links between them: a copy made by rsync, tar or a bucket's tool is a
registry. Files and folders take mode and group from the root.

In the user's cache (VESSL_NB_CACHE, or where the platform keeps caches), which can be deleted at any time, are the
volumes that runners have as their working directory (`vessl_nb.registry.volume`), the checkpoints of registries that
are read-only, and the note of which blobs were verified on this machine (`vessl_nb.storage.verified`).

When to raise the number
------------------------
A reader ignores fields it does not know. So a field may be ADDED, with a default, under the same number, if a reader
that ignores it still does the right thing; never one that holds a place, since an older gc would not know what is there
to be wanted. So may a kind of document: a reader that does not know it refuses that
repository, and says that a newer vessl_nb is wanted. Raise `FORMAT` when

- a reader of the old number would do wrong things silently: a field changes its meaning, contents lie elsewhere;
- or what pickles name, in `vessl_nb.storage.restore` and `vessl_nb.runner`, would have to change.

Then: keep reading every older number; write the new one; change ``format.json`` only when something that needs the new
number is written; add a registry written by the last release under ``tests/golden/``, beside the older ones; describe
the change here.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Annotated

import msgspec

from vessl_nb.errors import Damaged, FormatTooNew, RegistryError
from vessl_nb.storage.unreadable import UNREADABLE
from vessl_nb.storage.writers import FOLDER as WRITERS

if TYPE_CHECKING:
    from vessl_nb.storage.folder import Folder

FORMAT = 1
"""The number of the format that this vessl_nb writes; it reads this one and every older one."""

_KEY = "format.json"


class _Number(msgspec.Struct, frozen=True):
    format: Annotated[int, msgspec.Meta(ge=1)]


class Format(msgspec.Struct, frozen=True):
    """The contents of ``format.json``: the format's number, the registry's id, and when it was made."""

    format: Annotated[int, msgspec.Meta(ge=1)]
    id: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$")]
    created: dt.datetime


def check_format(folder: Folder) -> str:
    """Look whether a folder is a registry that this vessl_nb can read.

    Returns
    -------
    str
        The registry's id; empty where there is no registry yet, but one can be made: the folder does not exist, or is
        empty.

    Raises
    ------
    RegistryError
        It is a file, or a folder of something else.
    FormatTooNew
        It was written by a newer vessl_nb.
    """
    try:
        text = folder.read(_KEY)
    except FileNotFoundError:
        # Another process may be making it just now.
        if (names := set(folder.names("")) - {WRITERS}) and not folder.size(_KEY):
            if "journal" in names:
                raise Damaged.at(folder.path(_KEY), "is missing", "Restore it from a backup.") from None
            raise RegistryError(
                f"{folder.root} is no registry: it has no {_KEY}, and is not empty.",
                "Point VESSL_NB_REGISTRY to a registry, or to a new or empty folder.",
            ) from None
        return ""
    try:
        number = msgspec.json.decode(text, type=_Number).format
        made = msgspec.json.decode(text, type=Format) if number <= FORMAT else None  # a newer one has other fields
    except UNREADABLE as error:
        raise Damaged.at(folder.path(_KEY), f"cannot be read: {error}", "Restore it from a backup.") from None
    if made is None:
        raise FormatTooNew(
            f"{folder.root} has format {number}; this vessl_nb reads up to format {FORMAT}.",
            "Install a newer one: pip install --upgrade vessl_nb",
        )
    return made.id


def write_format(folder: Folder) -> str:
    """Make a folder a registry, where it is none yet, and give the id that it has then.

    Raises
    ------
    RegistryError
        It cannot be written, or the file system is none that a registry is safe on.
    """
    folder.begin_anew()
    made = Format(FORMAT, uuid.uuid4().hex, dt.datetime.now(dt.UTC))
    folder.create(_KEY, msgspec.json.encode(made) + b"\n")
    return check_format(folder)
