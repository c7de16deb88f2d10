"""gc beside writers, readers and other gcs: every order of their steps, as each of them calls the operating system."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import blake3
import pytest
from every_order import Play, View, try_every_order

import vessl_nb as vessl
from vessl_nb.errors import RegistryError
from vessl_nb.registry import references
from vessl_nb.registry.documents import Deleted, ModelCreated
from vessl_nb.registry.garbage import collect_garbage
from vessl_nb.registry.references import referenced_blobs
from vessl_nb.registry.registry import Registry
from vessl_nb.storage import blobs as blobs_module
from vessl_nb.storage import collection, writers
from vessl_nb.storage.blobs import Blobs, blob_key
from vessl_nb.storage.collection import collect
from vessl_nb.storage.writers import GONE, LEASE, Found, Writer, find_writers

OLD, NEW, KEPT = b"old" * 50, b"new" * 50, b"kept" * 50
"""Contents: of a version that was or will be deleted, of none yet, and of one that stays."""

_KEPT_IN = blake3.blake3(KEPT).hexdigest()[:2]
_BLOB = r"blobs/../[0-9a-f]{64}"
_TRASHED = r"trash/[^/]+/[0-9a-f]{64}"

STEPS = [
    ("rename", r"writers/w/.*\.tmp", r".*\.pin", "pin"),
    ("unlink", r"writers/w/.*\.pin", "", "unpin"),
    ("stat", r"writers/w/.*\.pin", "", "look for the pin"),
    ("utime", r"writers/w/writer.json", "", "give a sign of life"),
    ("stat", _BLOB, "", "look for the blob"),
    ("link", "writers/.*", _BLOB, "put the blob"),
    ("replace", "writers/.*", _BLOB, "put the blob in place of another"),
    ("link", "writers/.*", "journal/.*", "commit"),
    ("listdir", "journal/.*/iris", "", "list the documents"),
    ("open", r"journal/.*[4-9]\.json", "", "read a document"),
    ("listdir", f"blobs/(?!{_KEPT_IN})..", "", "list the blobs"),
    ("listdir", r"writers", "", "list the writers"),
    ("open", r"writers/w/writer.json", "", "read the writer's card"),
    ("rename", r"writers/w", "writers/.*gone.*", "take the writer away"),
    ("scandir", r"writers/w", "", "list the pins"),
    ("open", r"writers/w/.*\.pin", "", "read a pin"),
    ("rename", _BLOB, _TRASHED, "move the blob to the trash"),
    ("scandir", r"trash", "", "list the trash"),
    ("scandir", r"trash/[^/]+", "", "list a part of the trash"),
    ("stat", _TRASHED, "", "look at the blob in the trash"),
    ("link", _TRASHED, _BLOB, "put the blob back"),
    ("unlink", _TRASHED, "", "delete the blob"),
    ("rmdir", r"trash/.*", "", "take a part of the trash away"),
    ("open", _BLOB, "", "read the blob"),
    ("open", _TRASHED, "", "read the blob in the trash"),
]
"""Functions of the operating system, with their paths, and which steps they are."""

_DECISIVE = frozenset({
    "list the documents", "move the blob to the trash", "list the pins", "list the trash", "put the blob back",
    "delete the blob",
})  # fmt: skip

ALL = {".*": frozenset(name for *_, name in STEPS) - {"list the documents"}}
"""Each step, by who takes it."""

CHANGES = {
    "w": frozenset({"pin", "unpin", "look for the blob", "put the blob", "commit"}),
    "gc": _DECISIVE | {"take the writer away", "take a part of the trash away"},
}
"""Those that others may notice."""

FEW = {
    "w": frozenset({"pin", "look for the blob", "commit"}),
    "gc.*": _DECISIVE,
    "d": frozenset({"commit"}),
    "r": frozenset({"list the documents", "read the blob", "list the trash", "read the blob in the trash"}),
}
"""Those without which no two orders differ in what becomes of a blob."""


def meaning(steps, actor, function, path, other=""):
    wanted = next((names for pattern, names in steps.items() if re.fullmatch(pattern, actor)), ())
    for functions, pattern, other_pattern, name in STEPS:
        if function == functions and re.fullmatch(pattern, path) and re.fullmatch(other_pattern or ".*", other):
            return name if name in wanted else None
    return None


def process(root, name):
    """Give a registry as a process of its own has it, which is known as a writer."""
    registry = Registry(root)
    writer = registry.folder.writer
    writer._forget.detach()
    writer.id, writer.folder = name, root / "writers" / name
    writer.announce()
    return registry


def mark_dead(folder, pid):
    """Let the number in a writer's card be that of a process that is no more."""
    card = folder / "writer.json"
    if card.exists():
        card.write_text(json.dumps(json.loads(card.read_text()) | {"pid": pid}))


def write(registry, content, known=()):
    with registry.pins() as pins:
        [place], _ = registry.blobs.store([content], pins, known)
        registry.commit(
            "default",
            "iris",
            lambda state: ModelCreated(number=state.next_number(), files={"file": place}),
            pins,
        )


def gc(registry):
    return collect(registry.folder, partial(referenced_blobs, registry))


def delete(registry, number):
    registry.commit("default", "iris", lambda _: Deleted(number=number))


def read(registry, number):
    model = registry.repository("default", "iris").models.get(number)
    return model and registry.blobs.read(model.added["file"])


@pytest.fixture
def place(tmp_path):
    """Give a folder in memory, where there is one: thousands of runs are quick there."""
    if not Path("/dev/shm").is_dir():
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


@pytest.fixture
def kind(request, monkeypatch):
    """Let contents share a blob, or have one each, which is written in another way."""
    if getattr(request, "param", "packed") == "alone":
        monkeypatch.setattr(blobs_module, "LARGE", 1)
        monkeypatch.setattr(Blobs, "_in_threads", lambda _self, work, *_: [task() for task in work])


@pytest.fixture(scope="module")
def dead():
    """Give the number of a process that is no more."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


@pytest.fixture
def living(place, kind):  # how it is written
    """Make a registry with two versions."""
    registry = Registry(place / "template")
    write(registry, KEPT)
    write(registry, OLD)
    shutil.rmtree(registry.root / "writers")
    return registry


@pytest.fixture
def deleted(living):
    """Make one whose second version was deleted: its blob is there, and nobody's."""
    delete(living, 2)
    shutil.rmtree(living.root / "writers")
    return living


def check_readable(root):
    """Read all that living versions hold, as a reader that begins now does."""
    registry = Registry(root)
    state = registry.repository("default", "iris")
    for model in state.living():
        for place in model.added.values():
            assert registry.blobs.read(place) in {OLD, NEW, KEPT}


def orphans(root):
    """List the files of a registry that nothing needs, after a last gc."""
    registry = Registry(root)
    gc(registry)
    wanted = {blob_key(digest) for digest in referenced_blobs(registry)}
    registry.folder.writer._forget()
    files = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    assert wanted <= files
    return {file for file in files - wanted if not re.fullmatch(r"format.json|(journal|heads)/.*|.*/writer.json", file)}


@pytest.fixture
def tried(dead):
    """Give a function that tries every order of some actors, each a function of a registry; it gives the ends."""

    def try_them(template, actors, steps, *, allowed=(), open_minds=(), alike=None, killable=()):
        whole = frozenset({"_sweep", "_empty"})
        view = View(partial(meaning, steps), frozenset(open_minds), whole, alike, frozenset(killable))
        root = template.root.with_name("run")
        seen = set()
        ends = []

        def prepare():
            shutil.rmtree(root, ignore_errors=True)
            shutil.copytree(template.root, root, copy_function=os.link)
            return Play(root, view), {name: partial(work, process(root, name)) for name, work in actors.items()}

        def at_every_state(play):
            commits = tuple(sum(seen == ("commit", "done") for seen in actor.seen) for actor in play.actors.values())
            if (state := (play.files(), commits)) not in seen:
                seen.add(state)
                check_readable(root)

        def at_every_end(play):
            for actor in play.actors.values():
                assert actor.error is None or isinstance(actor.error, allowed), f"{actor.name}: {actor.error!r}"
                if actor.is_ended:
                    mark_dead(root / "writers" / actor.name, dead)
            assert orphans(root) == set()
            check_readable(root)
            assert not any((root / "writers" / actor.name).exists() for actor in play.actors.values() if actor.is_ended)
            ends.append({name: actor.error or actor.result for name, actor in play.actors.items()})
            ends[-1]["written"] = len(Registry(root).repository("default", "iris").models) - 2

        try_every_order(prepare, at_every_state=at_every_state, at_every_end=at_every_end)
        return ends

    return try_them


@pytest.mark.parametrize("content", [OLD, KEPT], ids=["of a deleted version", "of a living one"])
def test_gc_beside_a_writer(deleted, tried, content):
    assert tried(deleted, {"w": partial(write, content=content), "gc": gc}, ALL)


@pytest.mark.parametrize("kind", ["packed", "alone"], indirect=True)
@pytest.mark.parametrize("content", [OLD, NEW], ids=["of a deleted version", "new"])
def test_gc_beside_a_writer_each_killed_at_every_step(deleted, tried, content):
    ends = tried(deleted, {"w": partial(write, content=content), "gc": gc}, CHANGES, killable={"w", "gc"})
    assert {end["written"] for end in ends} == {0, 1}  # the writer was killed in time, or it was not


@pytest.mark.parametrize("is_told", [True, False])
def test_a_version_is_deleted_while_another_is_written_that_shares_its_content(living, tried, is_told):
    known = living.repository("default", "iris").models[2].added.values() if is_told else ()
    actors = {"w": partial(write, content=OLD, known=known), "d": partial(delete, number=2), "gc": gc}
    assert tried(living, actors, FEW)


def test_a_reader_beside_a_writer_and_gc(deleted, tried):
    ends = tried(deleted, {"w": partial(write, content=OLD), "gc": gc, "r": partial(read, number=3)}, FEW)
    assert {end["r"] for end in ends} == {None, OLD}


def test_a_writer_that_is_taken_for_dead_registers_all_or_nothing(deleted, tried, monkeypatch):
    real = collection.find_writers
    monkeypatch.setattr(
        collection,
        "find_writers",
        lambda *given: [Found(found.id, found.counts and found.id != "w") for found in real(*given)],
    )
    steps = {
        "w": FEW["w"] | {"give a sign of life", "look for the pin"},
        "gc": _DECISIVE | {"take the writer away", "list the blobs", "list the writers"},
    }
    ends = tried(deleted, {"w": partial(write, content=OLD), "gc": gc}, steps, allowed=(RegistryError,))
    assert {type(end["w"]) for end in ends} == {type(None), RegistryError}


def test_two_gcs_beside_a_writer(deleted, tried):
    actors = {"w": partial(write, content=OLD), "gc1": gc, "gc2": gc}
    assert tried(deleted, actors, FEW, open_minds={"w", "gc1", "gc2"}, alike=("gc1", "gc2"))


# What so many orders would take too long for


def test_a_version_that_is_deleted_and_freed_while_gc_reads_is_no_damage(registry_root, monkeypatch):
    class Echo(vessl.RunnerBase):
        @staticmethod
        def predict(model, data):
            return data

    for _ in range(2):
        vessl.register_model("iris", None, Echo, os.urandom(5000))
    real = references.fold

    def fold_slowly(journal):
        state = real(journal)
        monkeypatch.setattr(references, "fold", real)
        delete(Registry(registry_root), 1)
        assert gc(Registry(registry_root)).blobs > 0
        return state

    monkeypatch.setattr(references, "fold", fold_slowly)
    assert collect_garbage().blobs == 0
    assert vessl.load("iris:2")


def test_each_gc_of_a_process_has_a_folder_of_its_own_in_the_trash(living, monkeypatch):
    places = []
    real = collection._files_in_trash
    monkeypatch.setattr(collection, "_files_in_trash", lambda folder: places.append(real(folder)) or real(folder))
    delete(living, 2)
    gc(living)
    delete(living, 1)
    gc(living)
    assert len({file.parent for found in places for file in found}) == 2


def test_a_blob_that_several_gcs_move_while_it_is_looked_for_is_found(living, monkeypatch):
    [place] = living.repository("default", "iris").models[2].added.values()
    there, trashed = living.folder.path(blob_key(place.home)), living.root / "trash/gc" / place.home
    trashed.parent.mkdir(parents=True)
    moves = iter([(there, trashed), (trashed, there)] * 3)
    real = Path.open

    def open_too_late(path, *given, **named):
        if path in (there, trashed) and (move := next(moves, None)):
            move[0].rename(move[1])
        return real(path, *given, **named)

    monkeypatch.setattr(Path, "open", open_too_late)
    assert living.blobs.read(place) == OLD
    assert next(moves, None) is None


def foreign(registry, name, age, **changes):
    """Make the folder of a writer of another machine, whose last sign of life is some seconds old."""
    writer = process(registry.root, name).folder.writer
    card = writer.folder / "writer.json"
    card.write_text(json.dumps(json.loads(card.read_text()) | {"machine": "another"} | changes))
    os.utime(card, (time.time() - age,) * 2)
    return writer


def counting(registry):
    return {found.id for found in find_writers(registry.root, registry.folder.writer.now()) if found.counts}


def test_a_writer_whose_clock_ran_years_ahead_does_not_count_for_years(living):
    foreign(living, "ahead", -100 * LEASE)
    foreign(living, "a little ahead", -60)
    assert counting(living) - {living.folder.writer.id} == {"a little ahead"}


def test_what_a_killed_gc_was_taking_away_is_taken_away_by_the_next(living):
    folder = foreign(living, f"w{GONE}gc-1", 0).folder
    (folder / "writer.json").unlink()
    (folder / "1.tmp").write_bytes(b"half written")
    assert gc(living).leftovers == len(b"half written")
    assert not folder.exists()


def test_a_process_of_another_user_that_the_machine_hides_counts_as_long_as_its_lease(living, monkeypatch):
    def refuse(*_):
        raise PermissionError

    machine = json.loads((process(living.root, "x").folder.writer.folder / "writer.json").read_text())["machine"]
    foreign(living, "hidden", 0.9 * LEASE, machine=machine, pid=1)
    foreign(living, "hidden for long", 1.1 * LEASE, machine=machine, pid=1)
    monkeypatch.setattr(writers, "_started", lambda _: None)
    monkeypatch.setattr(os, "kill", refuse)
    assert "hidden" in counting(living)
    assert "hidden for long" not in counting(living)


def test_a_collection_of_some_blobs_only_voids_a_writer_before_it_passes_over_its_pins(deleted):
    """As purge asks for it."""
    sleeper = process(deleted.root, "sleeper")
    with sleeper.pins() as pins:
        [place], _ = sleeper.blobs.store([OLD], pins)
        card = sleeper.folder.writer.folder / "writer.json"
        card.write_text(json.dumps(json.loads(card.read_text()) | {"machine": "another"}))
        os.utime(card, (0, 0))
        assert collect(deleted.folder, partial(referenced_blobs, deleted), only={place.home}).blobs == 1
        body = ModelCreated(number=3, files={"file": place})
        with pytest.raises(RegistryError, match="Nothing was registered"):
            sleeper.commit("default", "iris", lambda _: body, pins)
    assert 3 not in deleted.repository("default", "iris").models


def test_a_dry_run_counts_what_a_killed_gc_left_in_the_trash_but_for_what_is_wanted(deleted):
    for file in [path for path in (deleted.root / "blobs").rglob("*") if path.is_file()]:
        trashed = deleted.root / "trash" / "killed" / file.name
        trashed.parent.mkdir(parents=True, exist_ok=True)
        file.rename(trashed)
    would = collect(deleted.folder, partial(referenced_blobs, deleted), dry_run=True)
    assert (would.blobs, would.size) == (1, len(OLD))
    assert gc(deleted) == would
    check_readable(deleted.root)


def test_a_folder_whose_maker_was_killed_before_its_card_was_in_it_does_not_count(living):
    script = (
        "import os, pathlib, sys\n"
        "from vessl_nb.storage.writers import Writer\n"
        "writer = Writer(pathlib.Path(sys.argv[1]))\n"
        "writer.put = lambda *_: os._exit(0)\n"
        "writer.announce()"
    )
    before = set((living.root / "writers").iterdir()) if (living.root / "writers").exists() else set()
    subprocess.run([sys.executable, "-c", script, living.root], check=True)
    [folder] = set((living.root / "writers").iterdir()) - before
    (folder / "1.tmp").write_bytes(b"half a card")
    assert folder.name not in counting(living)
    assert gc(living).leftovers == len(b"half a card")
    assert not folder.exists()
    being_made = Writer(living.root).folder
    being_made.mkdir()
    assert being_made.name in counting(living)
