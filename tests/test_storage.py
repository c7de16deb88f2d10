"""Files that are whole or not there, blobs that are stored once, and a journal that only grows."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import blake3
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vessl_nb.errors import Damaged, RegistryError, VesslError
from vessl_nb.registry.format import write_format
from vessl_nb.storage import blobs as blobs_module
from vessl_nb.storage import disk, verified
from vessl_nb.storage.blobs import ALIGNMENT, LARGE, Blobs, Later, Place, blob_key
from vessl_nb.storage.folder import Folder
from vessl_nb.storage.journal import Journal
from vessl_nb.storage.user_cache import cache_folder


class Said(msgspec.Struct):
    word: str


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path / "root")


# Folder


def store(folder, contents, known=()):
    with folder.pins() as pins:
        return Blobs(folder).store(contents, pins, known)


def test_a_file_is_created_once_and_never_overwritten(folder):
    assert folder.create("a/b", b"first")
    assert not folder.create("a/b", b"second")
    assert folder.read("a/b") == b"first"


def test_nothing_of_the_writing_is_left(folder):
    folder.create("a/b", b"x")
    folder.create("a/b", b"y")
    assert [path.name for path in (folder.root / "a").iterdir()] == ["b"]
    assert [path.name for path in folder.writer.folder.iterdir()] == ["writer.json"]


def test_a_writer_leaves_nothing_behind_when_its_process_ends(tmp_path):
    script = "import pathlib, sys; from vessl_nb.storage.folder import Folder; Folder(pathlib.Path(sys.argv[1])).create('a/b', b'x')"
    subprocess.run([sys.executable, "-c", script, tmp_path / "root"], check=True)
    assert list((tmp_path / "root/writers").iterdir()) == []


def test_files_take_permissions_and_group_of_the_root_and_are_read_only(folder):
    folder.root.mkdir()
    folder.root.chmod(0o2770)
    if os.getuid() == 0:
        os.chown(folder.root, -1, 4711)
    folder.create("blobs/ab/c", b"x")
    found = {path: (folder.root / path).stat() for path in ("blobs/ab", "blobs/ab/c", "writers")}
    modes = {path: stat.S_IMODE(status.st_mode) for path, status in found.items()}
    assert modes == {"blobs/ab": 0o2770, "blobs/ab/c": 0o440, "writers": 0o2770}
    assert {status.st_gid for status in found.values()} == {folder.root.stat().st_gid}


def test_a_file_where_a_folder_should_be_is_said_in_words(folder):
    folder.root.mkdir()
    (folder.root / "journal").write_text("not a folder")
    with pytest.raises(RegistryError, match=r"Cannot write .*journal/x.*directory") as caught:
        folder.create("journal/x", b"x")
    assert "VESSL_NB_REGISTRY" in caught.value.next_step


def test_a_file_system_without_hard_links_is_written_by_a_rename_that_refuses_to_replace(folder, monkeypatch):
    monkeypatch.setattr(os, "link", _refuse)
    assert folder.create("a/b", b"first")
    assert not folder.create("a/b", b"second")
    assert folder.read("a/b") == b"first"


def test_a_file_system_that_can_only_replace_is_refused_in_words(folder, monkeypatch):
    monkeypatch.setattr(os, "link", _refuse)
    monkeypatch.setattr(disk, "_exclusive_rename", lambda: None)
    with pytest.raises(RegistryError, match="neither hard links nor a rename that refuses to replace"):
        write_format(folder)
    assert not (folder.root / "format.json").exists()


def _refuse(*_):
    raise PermissionError(errno.EPERM, "Operation not permitted")


# Blobs


def test_contents_come_back_and_are_stored_once(folder):
    contents = [b"small", b"", b"small", os.urandom(LARGE), bytes(LARGE + 1)]
    places, added = store(folder, contents)
    assert [Blobs(folder).read(place) for place in places] == contents
    assert places[0] == places[2]
    assert added >= len(contents[3]) + len(contents[4])
    assert store(folder, contents) == (places, 0)


def test_a_blob_is_named_by_what_is_in_it_and_read_only(folder):
    store(folder, [b"one", b"two", bytes(LARGE)])
    files = [path for path in (folder.root / "blobs").rglob("*") if path.is_file()]
    assert len(files) == 2
    for path in files:
        assert path.name == blake3.blake3(path.read_bytes()).hexdigest()
        assert path.parent.name == path.name[:2]
        assert not path.stat().st_mode & 0o222


def test_small_contents_share_a_blob_aligned(folder):
    places, _ = store(folder, [b"a" * 10, b"b" * 100, b"c"])
    assert len({place.blob for place in places}) == 1
    assert all(place.offset % ALIGNMENT == 0 for place in places)


def test_what_an_earlier_writer_has_is_referred_to(folder):
    known, _ = store(folder, [b"weights", b"other"])
    places, added = store(folder, [b"weights", b"new"], known)
    assert places[0] == known[0]
    assert added == len(b"new")


@pytest.mark.parametrize("size", [1000, 2 * LARGE])
def test_what_is_lost_or_cut_short_is_written_again(folder, size):
    content = os.urandom(size)
    [place], _ = store(folder, [content])
    path = folder.path(blob_key(place.digest))
    path.chmod(0o600)
    path.write_bytes(content[:-1])
    assert store(folder, [content], [place])[0] == [place]
    assert Blobs(folder).read(place) == content
    path.unlink()
    assert store(folder, [content], [place])[0] == [place]
    assert Blobs(folder).read(place) == content


def test_files_are_stored_as_their_bytes_are(folder, tmp_path):
    path = tmp_path / "model.bin"
    path.write_bytes(os.urandom(3 * LARGE + 5))
    (from_file, from_memory), _ = store(folder, [path, path.read_bytes()])
    assert from_file == from_memory
    assert Blobs(folder).read(from_file) == path.read_bytes()
    Blobs(folder).copy(from_file, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == path.read_bytes()


def test_writing_to_a_view_leaves_the_file_alone(folder):
    blobs = Blobs(folder)
    for content in (b"weights", bytes(LARGE)):
        [place], _ = store(folder, [content])
        view = blobs.view(place)
        view[:7] = b"changed"
        assert blobs.read(place) == content


def test_a_view_keeps_no_descriptor_open(folder):
    places, _ = store(folder, [os.urandom(LARGE) for _ in range(20)])
    before = len([*Path("/dev/fd").iterdir()])
    views = Blobs(folder).map(places)
    assert len([*Path("/dev/fd").iterdir()]) == before
    assert len(views) == 20


GARBAGE = """
import gc, pathlib, sys
from vessl_nb.storage.disk import map_privately

class Model:
    def __init__(self, file):
        self.me = self
        self.view = map_privately(file.fileno(), 1_000_000)
        self.parts = [self.view[start:start + 10] for start in range(0, 1000, 10)]
    def __del__(self):
        print(bytes(self.view[:3]), self.parts[7][0])

with pathlib.Path(sys.argv[1]).open("rb") as file:
    Model(file)
gc.collect()
"""


def test_a_model_that_is_garbage_in_a_cycle_can_still_read_its_weights(tmp_path):
    (tmp_path / "weights").write_bytes(b"x" * 1_000_000)
    done = subprocess.run([sys.executable, "-c", GARBAGE, tmp_path / "weights"], capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"b'xxx' 120\n", b"")


def test_the_address_space_of_a_view_is_free_when_nothing_looks_at_it_any_more(folder):
    [place], _ = store(folder, [os.urandom(LARGE)])

    def maps():
        return Path("/proc/self/maps").read_text().count(place.digest) if sys.platform == "linux" else 0

    views = [Blobs(folder).view(place) for _ in range(3)]
    assert maps() in {0, 3}
    del views
    assert maps() == 0


def test_a_blob_is_read_through_but_once_on_a_machine(folder, monkeypatch):
    [place], _ = store(folder, [os.urandom(LARGE)])
    verified._notes.clear()  # as in another process
    monkeypatch.setattr(blobs_module, "_threads_for", None)  # which hashing begins with
    assert Blobs(folder).view(place).nbytes == LARGE


def test_a_process_that_was_forked_stores_and_reads_as_its_parent_does(folder):
    content = os.urandom(4 * LARGE)
    [place], _ = store(folder, [content])
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        verified._notes.clear()
        (cache_folder() / "verified").unlink()
        other = Folder(folder.root)
        store(other, [content[::-1]])
        os._exit(0 if bytes(Blobs(other).view(place)) == content else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_a_blob_that_was_touched_is_read_through_again(folder):
    content = os.urandom(LARGE)
    [place], _ = store(folder, [content])
    path = folder.path(blob_key(place.digest))
    before = path.stat()
    path.chmod(0o600)
    path.write_bytes(b"?" + content[1:])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # even if it looks as old as before
    with pytest.raises(Damaged, match=place.digest):
        Blobs(folder).view(place)


@pytest.mark.parametrize("garbage", [b"", b"x" * 7, bytes(range(100, 200))])
def test_a_garbled_note_of_what_was_verified_only_costs_time(folder, garbage):
    [place], _ = store(folder, [bytes(LARGE)])
    note = cache_folder() / "verified"
    note.write_bytes(garbage)
    verified._notes.clear()
    assert Blobs(folder).view(place).nbytes == LARGE
    assert note.stat().st_size == len(garbage) + verified.KEY


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "remove"])
def test_damage_is_found_and_named(folder, damage):
    [place, other], _ = store(folder, [os.urandom(LARGE), os.urandom(LARGE)])
    path = folder.path(blob_key(place.digest))
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
    folder = Folder(tmp_path / "root")
    places, _ = store(folder, contents)
    assert [Blobs(folder).read(place) for place in places] == contents


def test_a_place_that_lies_outside_its_blob_is_refused(folder):
    [place, _], _ = store(folder, [b"a", b"b"])
    outside = Place(place.digest, 1000, place.blob, place.offset)
    with pytest.raises(Damaged, match="long instead of"):
        Blobs(folder).view(outside)
    with pytest.raises(Damaged, match="not what was written"):
        Blobs(folder).read(outside)


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


@pytest.mark.parametrize("left_out", [1, 2, 3])
def test_a_document_that_a_listing_leaves_out_is_not_missing(folder, monkeypatch, left_out):
    append(folder, "a", "b", "c")
    names = folder.names
    monkeypatch.setattr(folder, "names", lambda key: [name for name in names(key) if name != f"0000000{left_out}.json"])
    assert words_of(Journal(folder, "org/iris").read_on()) == ["a", "b", "c"]
    assert Journal(folder, "org/iris").damages() == []


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "garbage", "tag"])
def test_a_changed_document_is_found_and_named(folder, number, damage):
    append(folder, "aaaa", "bbbb", "cccc")
    path = folder.root / f"journal/org/iris/0000000{number}.json"
    text = path.read_bytes()
    path.chmod(0o600)
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


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_missing_document_is_found_and_its_number_never_given_again(folder, number):
    live = append(folder, "a", "b", "c")
    path = folder.root / f"journal/org/iris/0000000{number}.json"
    path.unlink()
    with pytest.raises(Damaged, match=rf"0000000{number}.json is missing"):
        Journal(folder, "org/iris").read_on()
    if number == 3:
        with pytest.raises(Damaged, match=r"00000003.json vanished"):
            live.read_on()
    assert not path.exists()


def test_a_hole_before_a_live_writer_is_not_filled(folder):
    journal = append(folder, "a")
    append(folder, "b", "c")
    (folder.root / "journal/org/iris/00000002.json").unlink()
    with pytest.raises(Damaged, match=r"00000002.json is missing"):
        journal.append("said", Said("x"))


def test_all_documents_gone_are_missed(folder):
    append(folder, "a", "b")
    shutil.rmtree(folder.root / "journal/org/iris")
    with pytest.raises(Damaged, match=r"00000001.json is missing"):
        Journal(folder, "org/iris").read_on()


def test_a_journal_without_the_note_of_its_end_is_read_and_gets_one_again(folder):
    append(folder, "a", "b")
    note = folder.root / "heads/org/iris.json"
    note.unlink()
    append(folder, "c")
    assert json.loads(note.read_text())["number"] == 3


def test_a_note_that_lags_behind_is_good_enough(folder):
    append(folder, "a")
    note = (folder.root / "heads/org/iris.json").read_bytes()
    append(folder, "b")
    folder.replace("heads/org/iris.json", note)
    assert words_of(Journal(folder, "org/iris").read_on()) == ["a", "b"]


def test_all_damaged_documents_are_listed(folder):
    append(folder, "a", "b", "c", "d")
    for number in (2, 4):
        (folder.root / f"journal/org/iris/0000000{number}.json").unlink()
    damages = Journal(folder, "org/iris").damages()
    assert [(damage.file.name, damage.problem) for damage in damages] == [
        ("00000002.json", "is missing"),
        ("00000004.json", "is missing"),
    ]


def test_a_document_put_in_place_of_another_is_found(folder):
    append(folder, "a", "b", "c")
    other = Folder(folder.root.parent / "other")
    append(other, "A", "B", "C")
    (folder.root / "journal/org/iris/00000002.json").unlink()
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


def test_an_interrupt_ends_the_writing_at_once_and_leaves_nothing(folder):
    """A stop button that waits until gigabytes are written is none."""
    contents = [bytes([number]) * (LARGE * 16) for number in range(8)]
    written = []

    class Watched(Later):
        def __new__(cls, content):
            return super().__new__(cls, len(content), lambda: memoryview(content))

    write_all = blobs_module.write_all

    def slowly(descriptor, part):
        written.append(len(part))
        time.sleep(0.05)
        write_all(descriptor, part)

    def interrupt(self):
        if written:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blobs_module, "write_all", slowly)
        patch.setattr("vessl_nb.progress.Progress.draw", interrupt)
        with pytest.raises(KeyboardInterrupt):
            store(folder, [Watched(content) for content in contents])
    assert sum(written) < 4 * 16 * LARGE  # the four that were being written, to their ends
    assert {path.name for path in folder.root.rglob("*") if path.is_file()} == {"writer.json"}


@pytest.mark.parametrize("size", [1000, 2 * LARGE])
@pytest.mark.parametrize("is_known", [True, False])
def test_what_was_damaged_is_not_referred_to_but_written_again(folder, size, is_known):
    content = os.urandom(size)
    [place], _ = store(folder, [content])
    path = folder.path(blob_key(place.digest))
    path.chmod(0o600)
    path.write_bytes(content[::-1])  # of the same length
    with pytest.raises(Damaged, match=place.digest):
        Blobs(folder).view(place)
    assert store(folder, [content], [place] if is_known else []) == ([place], size)
    assert bytes(Blobs(folder).view(place)) == content


def test_a_file_that_grows_meanwhile_has_the_length_that_was_stored(folder, tmp_path):
    paths = [tmp_path / "a", tmp_path / "b"]
    for path in paths:
        path.write_bytes(os.urandom(2 * LARGE))
    expected = [path.read_bytes() for path in paths]
    write_large = Blobs._write_large

    def write_and_grow(self, wanted, shown):
        write_large(self, wanted, shown)
        with wanted.content.open("ab") as file:
            file.write(b"more")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Blobs, "_write_large", write_and_grow)
        places, _ = store(folder, paths)
    assert [Blobs(folder).read(place) for place in places] == expected


def test_a_shared_drives_notes_can_be_written_by_the_whole_group(folder):
    folder.root.mkdir()
    folder.root.chmod(0o2770)
    before = os.umask(0o077)
    try:
        append(folder, "a")
        with folder.pins() as pins:
            pins.add(["0" * 64])
            files = [*(folder.root / "writers").rglob("*"), *(folder.root / "heads").rglob("*.json")]
            modes = {path.suffix: stat.S_IMODE(path.stat().st_mode) for path in files}
    finally:
        os.umask(before)
    assert modes == {"": 0o2770, ".json": 0o660, ".pin": 0o660}


def test_a_stray_file_with_a_large_number_does_not_make_a_million_problems(folder):
    append(folder, "a")
    (folder.root / "journal/org/iris/20240101.json").write_text("{}")
    assert len(Journal(folder, "org/iris").damages()) < 200
