"""Files that are whole or not there, blobs that are stored once, and a journal that only grows."""

from __future__ import annotations

import json
import multiprocessing
import os
import stat
from pathlib import Path

import blake3
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vessl_nb.errors import Damaged, RegistryError, VesslError
from vessl_nb.storage.blobs import ALIGNMENT, LARGE, Blobs, Place
from vessl_nb.storage.folder import Folder
from vessl_nb.storage.journal import Journal


class Said(msgspec.Struct):
    word: str


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path / "root")


# Folder


def test_a_file_is_created_once_and_never_overwritten(folder):
    assert folder.create("a/b", [b"first", b" part"])
    assert not folder.create("a/b", [b"second"])
    assert folder.read("a/b") == b"first part"


def test_nothing_else_is_left_in_the_folder(folder):
    folder.create("a/b", [b"x"])
    folder.create("a/b", [b"y"])
    assert [path.name for path in (folder.root / "a").iterdir()] == ["b"]


def test_a_file_that_is_being_written_is_not_listed(folder):
    folder.create("a/b", [b"x"])
    (folder.root / "a" / ".0123.tmp").write_bytes(b"half")
    assert folder.names("a") == ["b"]


def test_files_take_the_permissions_of_the_root(folder):
    folder.root.mkdir()
    folder.root.chmod(0o770)
    folder.create("blobs/ab/c", [b"x"], read_only=True)
    folder.create("journal/d", [b"x"])
    modes = {
        path: stat.S_IMODE((folder.root / path).stat().st_mode) for path in ("blobs/ab", "blobs/ab/c", "journal/d")
    }
    assert modes == {"blobs/ab": 0o770, "blobs/ab/c": 0o440, "journal/d": 0o660}


def test_a_file_where_a_folder_should_be_is_said_in_words(folder):
    folder.root.mkdir()
    (folder.root / "journal").write_text("not a folder")
    with pytest.raises(RegistryError, match=r"Cannot write .*journal/x.*directory") as caught:
        folder.create("journal/x", [b"x"])
    assert "VESSL_NB_REGISTRY" in caught.value.next_step


def test_a_full_disk_is_said_in_words_and_leaves_nothing():
    # /dev/full would do for one file; a file size limit fails wherever it is met.
    import subprocess
    import sys

    script = """
import pathlib, resource, signal, sys, tempfile
from vessl_nb.storage.folder import Folder
from vessl_nb.errors import RegistryError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
root = pathlib.Path(tempfile.mkdtemp()) / "root"
try:
    Folder(root).create("blobs/x", [bytes(2000)])
except RegistryError as error:
    print(error, list(root.rglob("*.tmp")), (root / "blobs/x").exists())
"""
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert "File too large" in out
    assert out.strip().endswith("[] False")


# Blobs


def test_contents_come_back_and_are_stored_once(folder):
    blobs = Blobs(folder)
    contents = [b"small", b"", b"small", os.urandom(LARGE), bytes(LARGE + 1)]
    places, added = blobs.store(contents)
    assert [blobs.read(place) for place in places] == contents
    assert places[0] == places[2]
    assert added >= len(contents[3]) + len(contents[4])
    again, added = Blobs(folder).store(contents)
    assert (again, added) == (places, 0)


def test_a_blob_is_named_by_what_is_in_it_and_read_only(folder):
    Blobs(folder).store([b"one", b"two", bytes(LARGE)])
    files = [path for path in (folder.root / "blobs").rglob("*") if path.is_file()]
    assert len(files) == 2
    for path in files:
        assert path.name == blake3.blake3(path.read_bytes()).hexdigest()
        assert path.parent.name == path.name[:2]
        assert not path.stat().st_mode & 0o222


def test_small_contents_share_a_blob_aligned(folder):
    places, _ = Blobs(folder).store([b"a" * 10, b"b" * 100, b"c"])
    assert len({place.blob for place in places}) == 1
    assert all(place.offset % ALIGNMENT == 0 for place in places)


def test_what_an_earlier_writer_has_is_referred_to(folder):
    blobs = Blobs(folder)
    known, _ = blobs.store([b"weights", b"other"])
    places, added = blobs.store([b"weights", b"new"], known)
    assert places[0] == known[0]
    assert added == len(b"new")


def test_files_are_stored_as_their_bytes_are(folder, tmp_path):
    path = tmp_path / "model.bin"
    path.write_bytes(os.urandom(3 * LARGE + 5))
    blobs = Blobs(folder)
    (from_file, from_memory), _ = blobs.store([path, path.read_bytes()])
    assert from_file == from_memory
    assert blobs.read(from_file) == path.read_bytes()


def test_writing_to_a_view_leaves_the_file_alone(folder):
    blobs = Blobs(folder)
    [place], _ = blobs.store([b"weights"])
    view = blobs.view(place)
    view[:] = b"changed"
    assert blobs.read(place) == b"weights"


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "remove"])
def test_damage_is_found_and_named(folder, damage):
    [place, other], _ = Blobs(folder).store([os.urandom(LARGE), os.urandom(LARGE)])
    path = folder.path(f"blobs/{place.digest[:2]}/{place.digest}")
    path.chmod(0o600)
    data = bytearray(path.read_bytes())
    data[1000] ^= 1
    {
        "flip": lambda: path.write_bytes(data),
        "cut": lambda: path.write_bytes(data[:-1]),
        "empty": lambda: path.write_bytes(b""),
        "remove": path.unlink,
    }[damage]()
    blobs = Blobs(folder)
    with pytest.raises(Damaged, match=place.digest):
        blobs.read(place)
    assert len(blobs.read(other)) == LARGE


@given(st.lists(st.binary(max_size=200), max_size=20))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_small_contents_come_back(tmp_path, contents):
    blobs = Blobs(Folder(tmp_path / "root"))
    places, _ = blobs.store(contents)
    assert [blobs.read(place) for place in places] == contents


def test_a_place_that_lies_outside_its_blob_is_refused(folder):
    blobs = Blobs(folder)
    [place, _], _ = blobs.store([b"a", b"b"])
    with pytest.raises(Damaged, match="too short"):
        blobs.read(Place(place.digest, 1000, place.blob, place.offset))


# Journal


def append(folder, *words):
    journal = Journal(folder, "org/Iris")
    journal.read_on()
    for word in words:
        assert journal.append("said", Said(word))
        journal.read_on()
    return journal


def words_of(documents):
    return [msgspec.json.decode(document.body)["word"] for document in documents]


def test_documents_are_read_in_order_and_only_once(folder):
    append(folder, "a", "b")
    reader = Journal(folder, "org/Iris")
    assert words_of(reader.read_on()) == ["a", "b"]
    assert reader.read_on() == []
    append(folder, "c")
    assert words_of(reader.read_on()) == ["c"]


def test_a_document_is_readable_json_with_these_fields(folder):
    append(folder, "a", "b")
    first, second = ((folder.root / f"journal/org/iris/0000000{n}.json").read_bytes() for n in (1, 2))
    document = json.loads(second)
    assert list(document) == ["number", "id", "stream", "previous", "time", "actor", "kind", "body", "checksum"]
    assert (document["number"], document["stream"], document["kind"]) == (2, "org/Iris", "said")
    assert document["body"] == {"word": "b"}
    assert document["previous"] == blake3.blake3(first).hexdigest()
    assert document["checksum"] == blake3.blake3(second.rpartition(b',"checksum":')[0]).hexdigest()
    assert set(document["actor"]) == {"user", "host"}
    assert document["time"].endswith("Z")
    assert "previous" not in json.loads(first)


def test_two_spellings_are_one_stream_and_the_first_holds(folder):
    append(folder, "a")
    journal = Journal(folder, "ORG/iris")
    assert words_of(journal.read_on()) == ["a"]
    assert journal.stream == "org/Iris"


def test_who_loses_the_race_reads_on(folder):
    first, second = Journal(folder, "org/iris"), Journal(folder, "org/iris")
    assert first.append("said", Said("first"))
    assert not second.append("said", Said("second"))
    assert words_of(second.read_on()) == ["first"]
    assert second.append("said", Said("second"))
    assert words_of(first.read_on()) == ["first", "second"]


def test_a_writer_whose_answer_was_lost_knows_its_own_document(folder, monkeypatch):
    journal = Journal(folder, "org/iris")
    create = folder.create
    monkeypatch.setattr(folder, "create", lambda *arguments: create(*arguments) and False)
    assert journal.append("said", Said("once"))
    assert words_of(journal.read_on()) == ["once"]


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "garbage", "tag"])
def test_a_changed_document_is_found_and_named(folder, number, damage):
    append(folder, "aaaa", "bbbb", "cccc")
    path = folder.root / f"journal/org/iris/0000000{number}.json"
    text = path.read_bytes()
    changed = {
        "flip": text.replace(b'"number":', b'"Number":'),
        "cut": text[:-10],
        "empty": b"",
        "garbage": b"\xff\x00{]",
        "tag": text.replace(b'"word":"', b'"word":"x'),
    }[damage]
    path.write_bytes(changed)
    with pytest.raises(Damaged, match=f"0000000{number}.json"):
        Journal(folder, "org/iris").read_on()


def test_a_hole_is_found_and_never_filled(folder):
    append(folder, "a", "b", "c")
    (folder.root / "journal/org/iris/00000002.json").unlink()
    with pytest.raises(Damaged, match=r"00000002.json is missing"):
        Journal(folder, "org/iris").read_on()
    assert not (folder.root / "journal/org/iris/00000002.json").exists()


def test_a_document_put_in_place_of_another_is_found(folder):
    append(folder, "a", "b", "c")
    other = Folder(folder.root.parent / "other")
    append(other, "A", "B", "C")
    (folder.root / "journal/org/iris/00000002.json").write_bytes(
        (other.root / "journal/org/iris/00000002.json").read_bytes()
    )
    with pytest.raises(Damaged, match=r"00000002.json does not follow"):
        Journal(folder, "org/iris").read_on()


@given(st.binary(max_size=300) | st.dictionaries(st.text(), st.text() | st.integers()).map(msgspec.json.encode))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_hostile_document_is_refused_in_words(tmp_path, text):
    folder = Folder(tmp_path / "root")
    path = folder.root / "journal/org/iris/00000001.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    checksum = blake3.blake3(text[:-1]).hexdigest().encode()
    for hostile in (text, text[:-1] + b',"checksum":"' + checksum + b'"}\n'):
        path.write_bytes(hostile)
        with pytest.raises(VesslError, match=r"00000001\.json"):
            Journal(folder, "org/iris").read_on()


def _write_many(root, name, count):
    folder = Folder(Path(root))
    journal = Journal(folder, "org/iris")
    for index in range(count):
        while True:
            journal.read_on()
            if journal.append("said", Said(f"{name}-{index}")):
                break


def test_four_processes_write_every_document_once(tmp_path):
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write_many, args=(str(tmp_path / "root"), name, 25)) for name in "abcd"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    said = words_of(Journal(Folder(tmp_path / "root"), "org/iris").read_on())
    assert sorted(said) == sorted(f"{name}-{index}" for name in "abcd" for index in range(25))
