"""Trees of files as they are found on disks: what goes in comes out, or is refused in words."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import vessl_nb as vessl
from vessl_nb.errors import VesslError


def make_reader():
    class Reader(vessl.RunnerBase):
        @staticmethod
        def load_model(props, artifacts):
            import os
            from pathlib import Path

            found = {}
            for place, _, names in os.walk("."):
                for name in names:
                    path = Path(place, name)
                    found[str(path)] = path.read_bytes()
            return found

        @staticmethod
        def predict(model, data):
            return sorted(model)

    return Reader


Reader = make_reader()

letters = st.sampled_from(
    [*"ab .-_~$#%&()[]{}'\"\\!@+=,;", "\n", "\t", "é", "e\u0301", "ß", "漢", "🙂", "\u200f", "\x7f"]
)
names = (
    st.lists(letters, min_size=1, max_size=12).map("".join)
    | st.sampled_from(["-rf", "..a", "...", " ", ".hidden", "~", "a" * 200, "漢" * 80, "con", "model.pt", "*", "a*b"])
).filter(lambda name: name not in {".", ".."})
contents = st.binary(max_size=300) | st.sampled_from([0, 5_000, 1_100_000]).map(lambda size: b"x" * size)
trees = st.recursive(
    st.dictionaries(names, contents, max_size=4),
    lambda inner: st.dictionaries(names, contents | inner, max_size=4),
    max_leaves=8,
)


def lay_out(folder, tree):
    """Write a tree; give what was written, by path: two names may be one to the file system."""
    folder.mkdir(exist_ok=True)
    written = {}
    for name, inner in tree.items():
        path = folder / name
        if isinstance(inner, dict):
            if not path.exists() or path.is_dir():
                written.update(lay_out(path, inner))
        elif not path.is_dir():
            path.write_bytes(inner)
            written[path] = inner
    return {path: path.read_bytes() for path in written if path.is_file()}


@given(tree=trees)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_goes_into_a_version_comes_out_of_it_or_is_refused(tmp_path, snapshot, tree):
    folder = tmp_path / "tree"
    shutil.rmtree(folder, ignore_errors=True)
    written = {str(path.relative_to(folder)): content for path, content in lay_out(folder, tree).items()}
    vessl.create_model("trees")
    number = vessl.list_models("trees")[-1].number
    before = snapshot()
    try:
        version = vessl.register_model("trees", number, Reader, artifacts={f"{folder}/*": "*"})
    except VesslError:
        assert not written  # nothing else is refused of what may be in a tree
        assert snapshot() == before
        return
    assert version.files.keys() == written.keys()
    assert vessl.load(version.reference).model == written


@given(tree=trees.filter(bool))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_uploaded_tree_is_in_the_next_version(tmp_path, tree):
    folder = tmp_path / "tree"
    shutil.rmtree(folder, ignore_errors=True)
    written = {f"data/{path.relative_to(folder)}": content for path, content in lay_out(folder, tree).items()}
    number = vessl.create_model("trees").number
    try:
        vessl.upload_model_volume_file("trees", number, str(folder), "data")
    except VesslError:
        assert not written
        return
    vessl.register_model("trees", number, Reader)
    assert vessl.load(f"trees:{number}").model == written


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "tree/inner").mkdir(parents=True)
    (tmp_path / "tree/model.bin").write_bytes(b"weights")
    return tmp_path / "tree"


def register(folder):
    vessl.create_model("trees")
    return vessl.register_model("trees", vessl.list_models("trees")[-1].number, Reader, artifacts={f"{folder}/*": "*"})


def test_empty_folders_are_not_kept_and_links_inside_are_followed(folder):
    (folder / "inner/again.bin").symlink_to("../model.bin")
    (folder / "empty").mkdir()
    loaded = vessl.load(register(folder).reference)
    assert loaded.model == {"model.bin": b"weights", "inner/again.bin": b"weights"}


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda folder: (folder / "out").symlink_to("/etc/hostname"), "leaves the folder"),
        (lambda folder: (folder / "out").symlink_to(folder.parent, target_is_directory=True), "leaves the folder"),
        (lambda folder: (folder / "self").symlink_to(folder / "inner", target_is_directory=True), "no file"),
        (lambda folder: (folder / "gone").symlink_to("nowhere"), "no file"),
        (lambda folder: (folder / "loop").symlink_to("loop"), "no file|leaves the folder|Cannot read|symbolic links"),
        (lambda folder: os.mkfifo(folder / "pipe"), "no file"),
        (lambda folder: Path(os.fsdecode(bytes(folder) + b"/b\xffd")).write_bytes(b"x"), "UTF-8"),
    ],
    ids=["link out", "link to a folder outside", "link to a folder", "dangling", "loop", "fifo", "no UTF-8"],
)
def test_what_cannot_surely_mean_the_same_elsewhere_is_refused(folder, make, said, snapshot):
    register(folder)
    make(folder)
    vessl.create_model("trees")
    before = snapshot()
    with pytest.raises(VesslError, match=said):
        vessl.register_model("trees", 2, Reader, artifacts={f"{folder}/*": "*"})
    assert snapshot() == before


def test_a_tree_many_folders_deep_comes_out(tmp_path):
    path = tmp_path / "tree"
    for number in range(60):
        path = path / f"folder {number}"
    path.mkdir(parents=True)
    (path / "leaf").write_bytes(b"deep")
    [(name, content)] = vessl.load(register(tmp_path / "tree").reference).model.items()
    assert (name.count("/"), content) == (60, b"deep")
