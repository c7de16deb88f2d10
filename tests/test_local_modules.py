"""Modules beside the notebook travel with a version, and import where it is loaded: its own, or an error."""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import site
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vessl_nb import local_modules as loading
from vessl_nb.capture import local_modules as finding
from vessl_nb.capture.changed_modules import is_changed
from vessl_nb.capture.local_modules import find_local_modules
from vessl_nb.errors import InvalidArgument
from vessl_nb.local_modules import make_importable
from vessl_nb.registry import module_folders
from vessl_nb.storage.blobs import Blobs
from vessl_nb.storage.folder import Folder


def write(folder, files):
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(dedent(text))


@pytest.fixture
def beside(tmp_path, monkeypatch):
    """Give the notebook's folder: it is on the path, and what was imported from it is forgotten afterwards."""
    folder = tmp_path / "beside"
    folder.mkdir()
    before = set(sys.modules)
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # an edit within the same second would go unnoticed
    monkeypatch.setattr(loading, "_finder", loading._Finder())
    yield folder
    for name in set(sys.modules) - before:
        if not name.startswith("vessl_nb"):
            del sys.modules[name]
    importlib.invalidate_caches()


# Finding


def test_a_helper_travels_with_all_that_it_leads_to_and_nothing_of_it_is_run(beside):
    write(
        beside,
        {
            "helper.py": """
                import sklearn.linear_model
                from pkg import late
                def inside():
                    import other
                raise RuntimeError("it was run")
            """,
            "other.py": "import helper, json, requests_like",
            "pkg/__init__.py": "",
            "pkg/late.py": "from . import sibling\nfrom ..nowhere import x",
            "pkg/sibling.py": "from .deep.er import name",
            "pkg/deep/__init__.py": "",
            "pkg/deep/er.py": "import deepest",
            "deepest.py": "",
            "unrelated.py": "",
        },
    )
    found = find_local_modules(["helper"])
    assert found.top_level == ("deepest", "helper", "other", "pkg")
    assert found.files["pkg/deep/er.py"] == beside / "pkg/deep/er.py"
    assert found.imports == {
        "requests_like": "imported by other.py",
        "sklearn.linear_model": "imported by helper.py",
    }
    assert (found.changed, found.problems) == ({}, ())
    assert "helper" not in sys.modules


def test_a_package_travels_whole_with_its_data_but_without_what_is_not_its_own(beside):
    kept = ["pkg/__init__.py", "pkg/data/table.csv", "pkg/plain/no_init.py", "pkg/tests/test_it.py"]
    left = ["pkg/__pycache__/a.cpython-311.pyc", "pkg/old.pyc", "pkg/.env", "pkg/.ipynb_checkpoints/a.py"]
    write(beside, dict.fromkeys([*kept, *left], ""))
    assert list(find_local_modules(["pkg.plain.no_init"]).files) == kept


def test_a_package_without_init_gives_only_the_parts_that_are_used(beside):
    write(
        beside,
        {
            "src/features.py": "import src\nfrom src import scale\nfrom src.models import tree",
            "src/scale.py": "",
            "src/models/__init__.py": "",
            "src/models/tree.py": "import numpy",
            "src/unused.py": "import pandas",
            "src/secret.csv": "",
        },
    )
    found = find_local_modules(["src.features"])
    assert list(found.files) == ["src/features.py", "src/models/__init__.py", "src/models/tree.py", "src/scale.py"]
    assert found.top_level == ("src",)
    assert found.imports == {"numpy": "imported by src/models/tree.py"}


def test_what_is_installed_or_pythons_own_or_nowhere_is_not_local(beside):
    names = ["os", "sys", "json.decoder", "msgspec", "numpy.linalg", "vessl_nb.errors", "__main__", "nowhere.at.all"]
    assert find_local_modules(names) == finding.LocalModules({}, {}, (), {}, ())


def test_what_is_installed_in_editable_mode_is_local(beside, tmp_path):
    installed = tmp_path / "lib/site-packages"
    write(tmp_path, {"project/src/edited/__init__.py": "import bought", "lib/site-packages/bought/__init__.py": ""})
    (installed / "edited.pth").write_text(f"{tmp_path}/project/src\n")
    site.addsitedir(str(installed))
    (beside / "linked").symlink_to(installed / "bought")
    found = find_local_modules(["edited", "bought", "linked"])
    assert found.files == {"edited/__init__.py": tmp_path / "project/src/edited/__init__.py"}
    assert found.imports == {"bought": "imported by edited/__init__.py"}


def test_what_a_hook_of_an_editable_install_finds_is_local(beside, tmp_path, monkeypatch):
    write(tmp_path, {"project/hooked.py": ""})

    class Hook:
        @staticmethod
        def find_spec(name, path=None, target=None):
            file = tmp_path / "project/hooked.py"
            return importlib.util.spec_from_file_location(name, file) if name == "hooked" else None

    sys.meta_path.append(Hook)
    write(beside, {"helper.py": "import hooked"})
    assert list(find_local_modules(["helper"]).files) == ["helper.py", "hooked.py"]


def test_what_pip_put_into_a_folder_of_its_own_choice_is_not_local(beside):
    record = {"bought-1.0.dist-info/METADATA": "Name: bought", "bought-1.0.dist-info/RECORD": "bought/__init__.py,,"}
    write(beside, {"bought/__init__.py": "", "own.py": "", **record})
    assert find_local_modules(["bought", "own"]).top_level == ("own",)


def test_imports_for_types_only_and_those_the_code_can_do_without_ask_for_no_package(beside):
    write(
        beside,
        {
            "helper.py": """
                import typing
                if typing.TYPE_CHECKING:
                    import only_types
                else:
                    import really
                try:
                    import numpy
                    import quicker_numpy
                except ImportError:
                    import slower_numpy
                try:
                    import needed
                except ValueError:
                    pass
            """,
        },
    )
    assert list(find_local_modules(["helper"]).imports) == ["needed", "numpy", "really"]


def test_a_submodule_that_no_source_names_is_read_where_it_is_loaded(beside):
    write(beside, {"pkg/__init__.py": "", "pkg/plugin.py": "import array\nimport msgspec", "pkg/other.py": "import x"})
    importlib.import_module("pkg.plugin")
    assert find_local_modules(["pkg"]).imports == {"msgspec": "imported by pkg/plugin.py"}


def test_a_module_loaded_by_hand_travels_under_the_name_that_it_is_imported_by(beside):
    write(beside, {"My File.py": ""})
    spec = importlib.util.spec_from_file_location("by_hand", beside / "My File.py")
    sys.modules["by_hand"] = importlib.util.module_from_spec(spec)
    assert find_local_modules(["by_hand"]).files == {"by_hand.py": beside / "My File.py"}


def test_two_folders_of_one_package_travel_as_one_unless_their_files_differ(beside, tmp_path, monkeypatch):
    extends = "__path__ = __import__('pkgutil').extend_path(__path__, __name__)"
    write(beside, {"pkg/__init__.py": extends, "pkg/one.py": ""})
    write(tmp_path / "more", {"pkg/__init__.py": extends, "pkg/two.py": ""})
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "more")])
    importlib.import_module("pkg.two")
    assert list(find_local_modules(["pkg"]).files) == ["pkg/__init__.py", "pkg/one.py", "pkg/two.py"]
    write(tmp_path / "more", {"pkg/one.py": "other = 1"})
    with pytest.raises(InvalidArgument, match=r"different files.*'pkg/one.py'"):
        find_local_modules(["pkg"])


def test_what_does_not_travel_everywhere_is_said(beside, tmp_path, monkeypatch):
    monkeypatch.setattr(finding, "WORTH_SAYING", 10)
    write(tmp_path, {"elsewhere/secret.txt": ""})
    write(beside, {"pkg/__init__.py": "x = 1  # ten bytes and more", "pkg/quick.cpython-311.so": "", "bad.py": "def"})
    (beside / "pkg/link.txt").symlink_to(tmp_path / "elsewhere/secret.txt")
    (beside / "pkg/folder").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(beside / "pkg/pipe")
    found = find_local_modules(["pkg", "bad"])
    assert list(found.files) == ["bad.py", "pkg/__init__.py", "pkg/quick.cpython-311.so"]
    for said in [
        r"pkg/quick\S*\.so is compiled: the version loads only on .* under Python 3",
        r"link\.txt is a link that leaves the package folder",
        r"folder is a link that leaves the package folder",
        r"pipe is no file that could be copied",
        r"The package folder \S*/pkg has .* all of it travels",
        r"bad\.py cannot be read as Python",
    ]:
        assert sum(bool(re.search(said, problem)) for problem in found.problems) == 1, said
    assert len(found.problems) == 6


# Changed since it was imported

HELPER = '''
import functools

def traced(function):
    @functools.wraps(function)
    def wrapper(*arguments):
        return function(*arguments)
    return wrapper

def plain(x):
    """Say nothing."""
    return [x for x in range(3)] + [x in {1, 2}]

@traced
def decorated(x):
    return x + 1

@functools.lru_cache
def cached(x):
    return x + 2

class Scaler:
    def __init__(self):
        self.me = Scaler

    @property
    def factor(self):
        return 3

    @staticmethod
    def scale(x):
        return (lambda y: y * 4)(x)

    class Inner:
        def deep(self):
            return 5.0

Scaler.again = Scaler
if __name__:
    def twice(): return 6
else:
    def twice(): return 7
'''


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("range(3)", "range(4)"),
        ("x + 1", "x - 1"),
        ("x + 2", "x + 22"),
        ("return 3", "return 33"),
        ("y * 4", "y * 44"),
        ("return 5.0", "return 5"),
        ("def plain(x):", "def plain(x, z=1):"),
        ("return 6", "return 66"),
        ("class Scaler:", "class Scaler"),
    ],
)
def test_a_module_whose_file_says_something_else_by_now_is_named(beside, old, new):
    write(beside, {"helper.py": HELPER})
    helper = importlib.import_module("helper")
    for _ in range(100):  # Python rewrites the byte code of what is called often
        helper.plain(1), helper.cached(1), helper.Scaler.scale(1)
    assert find_local_modules(["helper"]).changed == {}
    (beside / "helper.py").write_text(HELPER.replace(old, new))
    [sentence] = find_local_modules(["helper"]).changed["helper"]
    assert sentence.startswith("helper was changed on disk after it was imported")


def test_a_module_whose_file_was_only_laid_out_anew_is_not_changed(beside):
    write(beside, {"helper.py": HELPER, "constants.py": "RATE = 2"})
    helper, constants = importlib.import_module("helper"), importlib.import_module("constants")
    (beside / "helper.py").write_text(
        "# a line more\n\n" + HELPER.replace("    return x + 1", "\n    return (x +\n 1)")
    )
    helper.plain.patched = lambda: 1
    helper.added = lambda: 2  # put there by a cell
    assert not is_changed(helper)
    assert not is_changed(constants)
    assert not is_changed(json.decoder)


CONSTANTS = """
import os
SCALE = 2
NAMES = ["cat", "dog"]
LIMITS: dict = {"low": 0.5}
WIDE = HIGH = (1, (2, "x"))
API_KEY = "one"

# What may well be another by now, in a file that is as it was:
STATE = None
CACHE = {}
SEEN = ["first"]
COUNT = 0
COUNT += 1
HOME = "unset"
if os.environ:
    HOME = "set"
gone = 3
del gone
join = None
from os.path import *

def learn(x):
    global STATE
    STATE = CACHE[x] = x
    SEEN.append(x)
    return NAMES[0], LIMITS["low"], x in NAMES
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("SCALE = 2", "SCALE = 22", "helper.SCALE is 2 here and 22 in helper.py, which travels."),
        ("SCALE = 2", "SCALE = 2.0", "helper.SCALE is 2 here and 2.0 in helper.py, which travels."),
        ("SCALE = 2", "SCALE = 2\nNEW = 1", "helper.NEW does not exist here, and is 1 in helper.py, which travels."),
        ('"cat", "dog"', '"dog", "cat"', "helper.NAMES is a list here and ['dog', 'cat'] in helper.py, which travels."),
        ("0.5", "0.75", "helper.LIMITS is a dict here and {'low': 0.75} in helper.py, which travels."),
        ('"one"', '"two"', "helper.API_KEY has another value here than in helper.py, which travels."),
    ],
)
def test_a_module_whose_constants_the_file_gives_other_values_is_named_with_both(beside, old, new, said):
    text = CONSTANTS.replace("from os.path import *\n", "")
    write(beside, {"helper.py": text})
    importlib.import_module("helper").learn(4)
    assert find_local_modules(["helper"]).changed == {}
    (beside / "helper.py").write_text(text.replace(old, new))
    [sentence] = find_local_modules(["helper"]).changed["helper"]
    assert sentence.startswith(said)


def test_a_constant_that_the_notebook_set_is_named_as_well(beside):
    write(beside, {"helper.py": "SCALE = 2\nNET = None\nA = B = C = 1"})
    helper = importlib.import_module("helper")
    helper.SCALE, helper.NET = 5, HELPER.__class__
    scale, net = find_local_modules(["helper"]).changed["helper"]
    assert scale.startswith("helper.SCALE is 5 here and 2 in helper.py")
    assert net.startswith("helper.NET is a type here and None in helper.py")
    helper.A = helper.B = helper.C = 2
    assert find_local_modules(["helper"]).changed["helper"][-1] == "2 more names of helper are not what the file says."


def test_what_a_module_itself_fills_or_sets_or_may_get_from_a_star_import_is_no_change(beside):
    write(beside, {"helper.py": CONSTANTS, "hidden.py": "A = 1\nglobals()['A'] = 2"})
    helper = importlib.import_module("helper")
    helper.learn(4)
    assert helper.join is os.path.join
    assert not is_changed(helper)
    assert not is_changed(importlib.import_module("hidden"))


def test_a_package_without_init_inside_of_another_is_found_before_either_is_imported(beside):
    write(beside, {"outer/inner/leaf.py": "", "helper.py": "import outer.inner.leaf"})
    assert list(find_local_modules(["helper"]).files) == ["helper.py", "outer/inner/leaf.py"]


# Splitting into units

NAMES = st.sampled_from(["a", "b", "__init__", "data"])
PATHS = st.builds(
    lambda folders, name, suffix: "/".join([*folders, name + suffix]),
    st.lists(st.sampled_from(["a", "b", "c"]), max_size=3),
    NAMES,
    st.sampled_from([".py", ".csv", ".cpython-311-x86_64-linux-gnu.so"]),
)


@given(st.sets(PATHS, max_size=12))
def test_every_file_is_in_one_unit_and_a_package_is_never_torn(paths):
    units = module_folders.split_units(dict.fromkeys(paths))
    assert sorted(path for unit in units.values() for path in unit) == sorted(paths)
    packages = {
        str(Path(path).parent) for path in paths if Path(path).name.startswith("__init__.") and "csv" not in path
    }
    for package in packages - {"."}:
        inside = {path for path in paths if path.startswith(f"{package}/")}
        assert any(inside <= set(unit) for unit in units.values())


# Loading, in processes of their own

PRELUDE = """
import importlib, os, pickle, sys, warnings
from pathlib import Path
import msgspec
from vessl_nb.errors import LocalModuleConflict
from vessl_nb.local_modules import make_importable
from vessl_nb.registry import module_folders
from vessl_nb.storage.blobs import Blobs, Place
from vessl_nb.storage.folder import Folder

warnings.filterwarnings("ignore", ".* is now the one that the version loaded here brought")
blobs = Blobs(Folder(Path("ROOT")))

def load(version):
    make_importable(msgspec.json.decode(Path("ROOT", version).read_bytes(), type=dict[str, Place]), blobs)

def refused(version):
    try:
        load(version)
    except LocalModuleConflict as error:
        return error
    raise AssertionError(f"{version} was not refused")
"""


@pytest.fixture
def register(tmp_path):
    """Give a function that stores files as a version of a name, in a real registry's blobs."""

    def store(version, files):
        folder = Folder(tmp_path / "root")
        contents = [dedent(each).encode() if isinstance(each, str) else each for each in files.values()]
        with folder.pins() as pins:
            places, _ = Blobs(folder).store(contents, pins)
        versions = dict(zip(files, places, strict=True))
        (tmp_path / "root" / version).write_bytes(msgspec.json.encode(versions))
        return versions

    return store


@pytest.fixture
def run(tmp_path):
    """Give a function that runs code in a fresh process, in an empty folder, and gives what it printed."""
    prelude = PRELUDE.replace("ROOT", str(tmp_path / "root"))
    (tmp_path / "empty").mkdir()

    def start(code, *, cwd=tmp_path / "empty"):
        command = [sys.executable, "-W", "error", "-c", prelude + dedent(code)]
        env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        return subprocess.Popen(command, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run_it(code, **options):
        return finish(start(code, **options))

    run_it.start = start
    return run_it


def finish(process):
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return out.split()


def test_what_was_found_imports_in_a_process_that_has_none_of_it(beside, register, run):
    write(
        beside,
        {
            "helper.py": "import pkg.core\nclass Scaler:\n    by = pkg.core.by",
            "pkg/__init__.py": "from . import core",
            "pkg/core.py": "import pkg\nfrom .constants import by\ndef late():\n    from . import later\n    return later.word",
            "pkg/constants.py": "by = 2",
            "pkg/later.py": "word = 'later'",
            "pkg/data/table.csv": "1,2",
        },
    )
    found = find_local_modules(["helper"])
    register("v1", {path: file.read_bytes() for path, file in found.files.items()})
    shutil.rmtree(beside)
    code = """
        load("v1")
        assert "pkg" not in sys.modules
        importlib.invalidate_caches()
        print(pickle.loads(b"chelper\\nScaler\\n.").by)
        import helper, pkg
        from importlib import resources
        import pkgutil
        print(pkg.core.late())
        print(resources.files("pkg").joinpath("data/table.csv").read_text(), pkgutil.get_data("pkg", "data/table.csv").decode())
        print(Path(pkg.__file__).with_name("data").joinpath("table.csv").read_text())
        print(importlib.reload(helper).Scaler.by)
        print(os.access(helper.__file__, os.W_OK) and os.getuid() != 0, list(Path().iterdir()))
        load("v1")
    """
    assert run(code) == ["2", "later", "1,2", "1,2", "1,2", "2", "False", "[]"]


def test_a_second_version_with_another_helper_is_refused_and_one_with_the_same_is_not(register, run):
    register("v1", {"helper.py": "word = 'first'", "other.py": ""})
    register("v2", {"helper.py": "word = 'second'", "new.py": ""})
    register("v3", {"helper.py": "word = 'first'", "third.py": "word = 'third'"})
    code = """
        load("v1")
        error = refused("v2")  # before anything was imported: it is promised
        assert error.module == "helper"
        assert str(error).startswith("The version brings its own module helper, but another version loaded here brought")
        import helper
        print(helper.word)
        error = refused("v2")
        assert "vessl-nb run" in error.next_step and "restart the kernel" in error.next_step
        assert Path(helper.__file__).is_relative_to(error.loaded_from)
        assert importlib.util.find_spec("new") is None  # nothing of a refused version is importable
        load("v3")
        import third
        print(third.word, helper.word)
    """
    assert run(code) == ["first", "third", "first"]


DISPLACED = """
    import warnings
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        load("v1")
        load("v1")
    for each in warned:
        print(str(each.message).split(", in this")[0].replace(" ", "_"))
"""


def test_a_file_of_the_users_own_that_a_versions_module_displaces_is_named_at_load_and_at_register(
    register, run, beside
):
    brought = {"helper.py": "V = 1", "same.py": "V = 1", "pkg/__init__.py": "", "pkg/a.py": "V = 1", "ns/part.py": "1"}
    register("v1", brought)
    own = {**brought, "helper.py": "V = 2", "pkg/a.py": "V = 2", "ns/part.py": "2"}
    write(beside, own)
    said = run(DISPLACED, cwd=beside)
    owned = {"helper": "helper.py", "pkg": "pkg/__init__.py", "ns.part": "ns/part.py"}
    assert sorted(said) == sorted(
        f"{name}_is_now_the_one_that_the_version_loaded_here_brought,_not_{beside / path}"
        for name, path in owned.items()
    )
    code = DISPLACED.replace("print(", "(").replace("for each in warned", "for each in []")
    found = """
        from vessl_nb.capture.local_modules import find_local_modules
        import helper, same, pkg.a
        print(helper.V, *[problem.split(", and that")[0].replace(" ", "_") for problem in
            find_local_modules(["helper", "same", "pkg.a", "ns.part"]).problems])
    """
    version, *problems = run(dedent(code) + dedent(found), cwd=beside)
    assert version == "1"
    assert problems == [
        f"{name}_is_the_copy_that_a_version_loaded_here_brought" for name in ("helper", "pkg", "ns.part")
    ]


def test_what_is_imported_late_is_the_first_versions_after_another_was_refused(register, run, beside):
    for word in ("first", "second"):
        files = {"pkg/__init__.py": "", "pkg/late.py": f"word = {word!r}", "lazy.py": f"word = {word!r}"}
        register(word, files)
    write(beside, {"pkg/__init__.py": "", "pkg/late.py": "word = 'wrong'", "lazy.py": "word = 'wrong'"})
    code = """
        load("first")
        import pkg
        refused("second")
        import pkg.late, lazy
        print(pkg.late.word, lazy.word)
    """
    assert run(code, cwd=beside) == ["first", "first"]


def test_a_module_with_the_same_text_is_used_as_it_is_loaded_and_another_is_refused(register, run, beside):
    files = {"helper.py": "def f(): return 1", "pkg/__init__.py": "", "pkg/late.py": "", "pkg/data.csv": "1"}
    register("same", files)
    register("other", {"helper.py": "def f(): return 2"})
    register("data", {"pkg/__init__.py": "", "pkg/data.csv": "2"})
    write(beside, files)
    code = """
        import helper, pkg
        load("same")
        import pkg.late
        assert Path(pkg.late.__file__).parent == Path.cwd() / "pkg"
        error = refused("other")
        assert (error.module, error.loaded_from) == ("helper", str(Path.cwd() / "helper.py"))
        refused("data")
        Path("helper.py").write_text("def f(): return 2")
        print(helper.f(), refused("other").module)  # the file is the same now, but what is loaded is not
        refused("same")
        sys.dont_write_bytecode = True
        for file in Path("__pycache__").iterdir():
            file.unlink()
        importlib.reload(helper)
        load("other")
    """
    assert run(code, cwd=beside) == ["1", "helper"]


def test_a_name_of_pythons_own_is_the_versions_where_it_is_not_imported_yet(register, run):
    register("v1", {"colorsys.py": "word = 'ours'"})
    assert run("load('v1')\nimport colorsys\nprint(colorsys.word)") == ["ours"]
    code = """
        import colorsys
        error = refused("v1")
        assert error.loaded_from == colorsys.__file__
        print(hasattr(colorsys, "rgb_to_hsv"))
    """
    assert run(code) == ["True"]


def test_a_module_that_came_from_no_file_is_refused_too(register, run):
    register("v1", {"made.py": ""})
    code = "import types; sys.modules['made'] = types.ModuleType('made'); print(refused('v1').loaded_from == '')"
    assert run(code) == ["True"]


def test_a_cache_that_was_cleaned_gives_an_error_and_never_another_module(register, run, beside):
    register("v1", {"helper.py": "word = 'ours'"})
    write(beside, {"helper.py": "word = 'wrong'"})
    code = """
        import shutil
        load("v1")
        shutil.rmtree(os.environ["VESSL_NB_CACHE"])
        try:
            import helper
        except ModuleNotFoundError as error:
            assert "Load the version again" in str(error)
            load("v1")
            import helper
            print(helper.word)
    """
    assert run(code, cwd=beside) == ["ours"]


def test_a_cache_that_was_written_to_is_laid_out_anew(register, run, tmp_path):
    register("v1", {"pkg/__init__.py": "word = 'ours'"})
    code = "load('v1')\nimport pkg\nprint(pkg.word, hasattr(pkg, 'extra'), importlib.util.find_spec('pkg.extra'))"
    assert run(code) == ["ours", "False", "None"]
    (laid_out,) = (tmp_path / "cache/modules").iterdir()
    assert list(laid_out.rglob("*.pyc"))  # and it is whole with them
    (laid_out / "pkg/__init__.py").chmod(0o644)
    (laid_out / "pkg/__init__.py").write_text("word = 'theirs'")
    (laid_out / "pkg/extra.py").write_text("")
    assert run(code) == ["ours", "False", "None"]


def test_packages_without_init_stay_spread_over_folders(register, run, beside):
    register("v1", {"ns/brought.py": "word = 'brought'", "ns/deep/er.py": "word = 'deep'", "own/part.py": ""})
    register("v2", {"ns/brought.py": "word = 'other'"})
    register("v3", {"ns/__init__.py": ""})
    register("v4", {"ns/more.py": "word = 'more'"})
    write(beside, {"ns/here.py": "word = 'here'", "ns/brought.py": "word = 'wrong'"})
    code = """
        load("v1")
        import ns.brought, ns.here, ns.deep.er, own.part
        print(ns.brought.word, ns.here.word, ns.deep.er.word)
        print(refused("v2").module, refused("v3").module)
        load("v4")
        import ns.more
        print(ns.more.word)
    """
    assert run(code, cwd=beside) == ["brought", "here", "deep", "ns.brought", "ns", "more"]
    write(beside, {"ns/__init__.py": ""})
    assert run("import ns\nprint(refused('v1').module)", cwd=beside) == ["ns"]


def test_a_name_is_a_folder_for_one_version_and_a_package_for_no_other(register, run):
    register("spread", {"ns/part.py": ""})
    register("whole", {"ns/__init__.py": "", "ns/part.py": ""})
    assert run("load('spread')\nprint(refused('whole').module)") == ["ns"]
    assert run("load('whole')\nprint(refused('spread').module)") == ["ns.part"]


def test_a_version_can_be_loaded_again_after_the_cache_was_moved(register, run, tmp_path):
    register("v1", {"helper.py": "word = 'ours'"})
    code = (
        f"load('v1')\nimport helper\nos.environ['VESSL_NB_CACHE'] = '{tmp_path}/moved'\nload('v1')\nprint(helper.word)"
    )
    assert run(code) == ["ours"]


def test_a_package_that_gives_its_parts_second_names_can_be_loaded_again(register, run):
    text = (
        "import json, sys, types\nsys.modules['pkg.j'] = json\nsys.modules['pkg.made'] = types.ModuleType('pkg.made')"
    )
    register("v1", {"pkg/__init__.py": text, "pkg/plain/x.py": ""})
    assert run("load('v1')\nimport pkg.j, pkg.plain.x\nload('v1')\nprint('again')") == ["again"]


def test_many_processes_lay_out_one_folder(register, run, tmp_path):
    register("v1", {"pkg/__init__.py": "", "pkg/data.bin": bytes(3 << 20), "pkg/late.py": "word = 'whole'"})
    code = "load('v1')\nimport pkg.late\nprint(pkg.late.word, Path(pkg.__file__).with_name('data.bin').stat().st_size)"
    for process in [run.start(code) for _ in range(4)]:
        assert finish(process) == ["whole", str(3 << 20)]
    assert len(list((tmp_path / "cache/modules").iterdir())) == 1


def test_of_many_threads_with_two_versions_one_versions_win(register, run):
    register("one", {"helper.py": "word = 'one'", "a.py": ""})
    register("two", {"helper.py": "word = 'two'", "b.py": ""})
    code = """
        from concurrent.futures import ThreadPoolExecutor
        def attempt(version):
            try:
                load(version)
                import helper
                return version, helper.word
            except LocalModuleConflict:
                return None
        with ThreadPoolExecutor(8) as threads:
            results = set(threads.map(attempt, ["one", "two"] * 20))
        results.discard(None)
        ((version, word),) = results
        print(version == word)
    """
    assert run(code) == ["True"]


@pytest.mark.parametrize("path", ["../helper.py", "/helper.py", "a/./b.py", ""])
def test_a_hostile_path_is_refused_before_anything_is_written(beside, register, tmp_path, path):
    place = register("v1", {"helper.py": ""})["helper.py"]
    with pytest.raises(InvalidArgument):
        make_importable({path: place}, Blobs(Folder(tmp_path / "root")))
    assert not list((tmp_path / "cache").rglob("*.py"))


def test_a_module_that_a_version_brought_travels_with_the_next(beside, register, tmp_path):
    make_importable(register("v1", {"helper.py": "import other", "other.py": ""}), Blobs(Folder(tmp_path / "root")))
    found = find_local_modules(["helper"])
    assert {path: file.read_text() for path, file in found.files.items()} == {
        "helper.py": "import other",
        "other.py": "",
    }


def test_no_local_modules_leave_python_as_it_is(beside, tmp_path):
    before = list(sys.meta_path)
    make_importable({}, Blobs(Folder(tmp_path / "root")))
    assert sys.meta_path == before
