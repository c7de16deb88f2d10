"""A repository of many versions, written as fast as files can be: one version is registered, the others follow it."""

from __future__ import annotations

import datetime as dt

import blake3
import msgspec

import vessl_nb as vessl
from vessl_nb.registry.documents import Registered
from vessl_nb.registry.registry import open_registry
from vessl_nb.storage.journal import Document, Head, _seal


class Runner(vessl.RunnerBase):
    """What every one of them runs."""

    @staticmethod
    def predict(model, data):
        return model


def write_versions(name: str, count: int, runner=Runner, model="model", sample=None) -> None:
    """Make a repository with versions 1 to `count`; the tag ``accuracy`` is their number / count."""
    tags = {"accuracy": 1 / count, "stage": "odd"}
    vessl.register_model(name, None, runner, model, ["numpy"], sample=sample, check=False, tags=tags)
    root = open_registry().root
    folder = root / "journal" / "default" / name
    first = msgspec.json.decode((folder / "00000001.json").read_bytes(), type=Document)
    body = msgspec.json.decode(first.body, type=Registered)
    sealed = b""
    for number in range(1, count + 1):
        tags = {"accuracy": number / count, "stage": "odd" if number % 2 else "even"}
        said = msgspec.structs.replace(body, number=number, tags=tags, size=1000 * number, added=number)
        document = msgspec.structs.replace(
            first,
            number=number,
            id=f"{number:032x}",
            previous=blake3.blake3(sealed).hexdigest() if sealed else None,
            time=first.time - dt.timedelta(minutes=5 * (count - number)),
            body=msgspec.Raw(msgspec.json.encode(said)),
        )
        sealed = _seal(document)
        file = folder / f"{number:08d}.json"
        file.unlink(missing_ok=True)  # the first one may only be read
        file.write_bytes(sealed)
    head = _seal(Head(count, blake3.blake3(sealed).hexdigest()))
    (root / "heads" / "default" / f"{name}.json").write_bytes(head)
