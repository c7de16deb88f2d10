"""Requirements are inferred from what is imported, and held against what is installed, without importing anything."""

from __future__ import annotations

import importlib.machinery
import json
import os
import subprocess
import sys
import textwrap
import zipfile
from importlib import metadata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from packaging.requirements import Requirement

from vessl_nb.capture.dependencies import dependency_closure, importable_modules
from vessl_nb.capture.distributions import distribution_of
from vessl_nb.capture.imports import imports_in
from vessl_nb.capture.requirements import infer_requirements, missing_requirements


@pytest.fixture
def site(tmp_path, monkeypatch):
    """Give a folder of installed packages that is first on the module path."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    return folder


def install(site, name, version, files=(), requires=(), *, record=True, beside=None):
    """Write what an installer writes: the files of a distribution, and its dist-info."""
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    texts = dict(files) if isinstance(files, dict) else dict.fromkeys(files, "")
    for file, text in texts.items():
        path = site / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    extras = sorted({line.partition("extra == '")[2].partition("'")[0] for line in requires} - {""})
    headers = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    headers += [f"Provides-Extra: {extra}" for extra in extras] + [f"Requires-Dist: {line}" for line in requires]
    (info / "METADATA").write_text("\n".join([*headers, "", "Requires-Dist: only-text-of-the-description"]))
    if record:
        lines = [f"{file},sha256=x,{len(text)}" for file, text in texts.items()]
        (info / "RECORD").write_text("\n".join([*lines, f"{info.name}/RECORD,,", ""]))
    for file, text in (beside or {}).items():
        (info / file).write_text(text)
    return info


def lines_of(inferred):
    return [requirement.line for requirement in inferred.requirements]


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("yaml", "PyYAML"),
        ("sklearn.linear_model._logistic", "scikit-learn"),
        ("sklearn.svm.SVC", "scikit-learn"),
        ("PIL.Image", "pillow"),
        ("dateutil", "python-dateutil"),
        ("attr", "attrs"),
        ("attrs", "attrs"),
        ("bs4", "beautifulsoup4"),
        ("_cffi_backend", "cffi"),
        ("numpy", "numpy"),
    ],
)
def test_a_module_is_traced_to_the_package_that_pip_knows(module, name):
    found = distribution_of(module)
    assert (found.name, found.version) == (name, metadata.version(name))
    assert not found.is_editable


def test_every_module_installed_here_is_traced_to_what_importlib_says():
    for module, names in metadata.packages_distributions().items():
        if module.isidentifier() and module not in sys.stdlib_module_names:
            found = distribution_of(module)
            assert found is not None, module
            assert found.name in names


@pytest.mark.parametrize("module", ["os.path", "sys", "_io", "__main__", "nothing_has_this_name", "nothing.has_this"])
def test_what_no_package_brought_belongs_to_none(module):
    assert distribution_of(module) is None


def test_a_module_beside_the_notebook_belongs_to_no_package(tmp_path, monkeypatch):
    (tmp_path / "beside_the_notebook.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert distribution_of("beside_the_notebook") is None


def test_nothing_is_imported_to_find_out():
    code = textwrap.dedent("""
        import sys
        from vessl_nb.capture.requirements import infer_requirements
        found = infer_requirements(dict.fromkeys(["sklearn.svm", "torch.nn", "PIL.Image", "yaml"], "why"), ["numpy"])
        assert len(found.requirements) == 5, found
        assert not {"sklearn", "torch", "PIL", "yaml", "numpy", "importlib.metadata"} & set(sys.modules)
    """)
    subprocess.run([sys.executable, "-c", code], check=True)


def test_packages_that_share_a_namespace_are_told_apart(site):
    install(site, "google-cloud-storage", "3.1", ["google/cloud/storage/__init__.py"])
    install(site, "google-cloud-bigquery", "3.2", ["google/cloud/bigquery/__init__.py"])
    install(site, "zope.interface", "7.0", ["zope/interface/__init__.py"])
    assert distribution_of("google.cloud.storage.client").name == "google-cloud-storage"
    assert distribution_of("google.cloud.bigquery").version == "3.2"
    assert distribution_of("google.cloud") is None
    assert distribution_of("zope").name == "zope.interface"
    source = "from google.cloud import storage, bigquery as bq\nfrom google.cloud.storage import Client"
    assert imports_in(source) == {"google.cloud.storage": 1, "google.cloud.bigquery": 1}


def test_of_two_packages_with_the_same_files_the_one_on_disk_is_named(site):
    same = {"cv2/__init__.py": "from .cv2 import *"}
    install(site, "opencv-python", "4.9", {**same, "cv2/version.py": "headless = False"})
    written_last = install(site, "opencv-python-headless", "4.10", {**same, "cv2/version.py": "headless = True"})
    os.utime(written_last, (0, 0))  # the dates of copied environments say nothing
    assert distribution_of("cv2").name == "opencv-python-headless"


def test_a_package_without_a_record_is_found_by_its_top_level_names_or_its_own(site):
    install(site, "debian-made", "1", ["made/__init__.py"], record=False, beside={"top_level.txt": "made\n"})
    install(site, "plain", "2", ["plain.py"], record=False)
    assert distribution_of("made").name == "debian-made"
    assert distribution_of("plain").name == "plain"


def test_a_package_named_as_a_module_it_does_not_have_is_not_taken_for_it(site):
    install(site, "vision", "1", ["other/__init__.py"])
    install(site, "the-real-thing", "2", ["vision/__init__.py"])
    assert distribution_of("vision").name == "the-real-thing"


def test_what_pip_installs_meanwhile_is_noticed(tmp_path, monkeypatch):
    target = tmp_path / "target"
    monkeypatch.syspath_prepend(str(target))
    for version in ("1.0", "2.0"):
        wheel = tmp_path / f"Fresh_Thing-{version}-py3-none-any.whl"
        info = f"Fresh_Thing-{version}.dist-info"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr("freshly/__init__.py", "")
            archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: Fresh_Thing\nVersion: {version}\n")
            archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            archive.writestr(f"{info}/RECORD", f"freshly/__init__.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n")
        arguments = ["--no-index", "--no-deps", "--upgrade", "--disable-pip-version-check", "--target", target, wheel]
        subprocess.run([sys.executable, "-m", "pip", "install", "-q", *arguments], check=True)
        found = distribution_of("freshly")
        assert (found.name, found.version) == ("Fresh_Thing", version)
        assert importable_modules(["fresh.thing"]) == {"freshly"}


EDITABLE = {"direct_url.json": '{"dir_info": {"editable": true}, "url": "file://%s"}'}


@pytest.mark.parametrize("way", ["a folder on the path", "a finder"])
def test_a_package_installed_in_editable_mode_is_told_from_the_helper_beside_it(tmp_path, site, monkeypatch, way):
    project = tmp_path / "project"
    for file in ("src/mine/__init__.py", "notebooks/helper.py"):
        (project / file).parent.mkdir(parents=True)
        (project / file).write_text("")
    url = {"direct_url.json": EDITABLE["direct_url.json"] % project}
    if way == "a finder":
        finder = f"MAPPING: dict[str, str] = {{'mine': '{project}/src/mine'}}"
        install(site, "mine", "0.1", {"__editable___mine_finder.py": finder}, beside=url)
    else:
        install(site, "mine", "0.1", {"__editable__.mine.pth": f"{project}/src\n"}, beside=url)
        assert importable_modules(["mine"]) == {"mine"}
    monkeypatch.syspath_prepend(str(project / "src"))
    monkeypatch.syspath_prepend(str(project / "notebooks"))
    assert distribution_of("mine").is_editable
    assert distribution_of("helper") is None
    assert infer_requirements({"mine": "imported by predict"}, []).requirements == []


def test_a_source_tree_that_setuptools_built_in_is_editable(tmp_path, monkeypatch):
    info = tmp_path / "old_style.egg-info"
    info.mkdir()
    (info / "PKG-INFO").write_text("Metadata-Version: 1.0\nName: old-style\nVersion: 3\nDescription: x\n Name: y\n")
    (info / "top_level.txt").write_text("old_style\n")
    (info / "requires.txt").write_text("numpy\n\n[more]\npandas\n")
    (tmp_path / "old_style.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = distribution_of("old_style")
    assert (found.name, found.version, found.is_editable) == ("old-style", "3", True)
    assert {"old-style", "numpy"} <= dependency_closure(["old-style"])
    assert "pandas" not in dependency_closure(["old-style"])


def test_requirements_are_pinned_as_an_index_has_them_and_sorted_with_their_reasons(site):
    install(site, "Zeta", "1.2+cpu", ["zeta.py"])
    install(site, "alpha-beta", "0.3rc1", ["ab/__init__.py"])
    modules = {
        "zeta": "imported by predict",
        "ab.deep": "imported by helper",
        "ab.model": "behind the model, ab.model.Net",
        "json": "imported by predict",
        "vessl_nb.runner": "imported by predict",
        "beside": "imported by predict",
        ".near": "imported by helper",
    }
    inferred = infer_requirements(modules, [], {"beside"})
    assert [(found.line, found.reason) for found in inferred.requirements] == [
        ("alpha-beta==0.3rc1", "ab.deep, imported by helper"),
        ("Zeta==1.2", "zeta, imported by predict"),
    ]
    assert inferred.problems == []
    reason = infer_requirements({"ab.model": "behind the model, ab.model.Net"}, []).requirements[0].reason
    assert reason == "behind the model, ab.model.Net"
    assert missing_requirements(lines_of(inferred)) == {}


def test_what_was_declared_comes_first_as_it_was_given_and_wins(site):
    install(site, "Some_Thing", "1.5", ["thing.py"])
    install(site, "other", "1", ["other.py"])
    modules = dict.fromkeys(["thing", "other"], "imported by predict")
    inferred = infer_requirements(modules, ["some.thing >= 1.0", "numpy"])
    assert lines_of(inferred) == ["some.thing >= 1.0", "numpy", "other==1"]
    assert [found.reason for found in inferred.requirements[:2]] == ["declared", "declared"]
    assert inferred.problems == []


def test_what_does_not_fit_together_is_said_with_the_next_step(site):
    install(site, "thing", "2.1.0+cu124", ["thing.py"])
    (site / "stray.py").write_text("")
    declared = ["thing<2", "absent", "absent-too; python_version < '3'", "thing>=1"]
    modules = {"stray.part": "imported by predict", "stray": "imported by predict", "absent": "imported by scale"}
    said = "\n".join(infer_requirements(modules, declared).problems)
    assert said == (
        "thing<2 is declared, but 2.1.0+cu124 is installed here: the version was tried with that one. "
        "Declare thing==2.1.0.\n"
        "absent is declared, but is not installed here: the version was tried without it. "
        "Install it: pip install 'absent'\n"
        "stray, imported by predict, is in no package that is installed here. "
        "Install its package, or declare it in requirements."
    )


@pytest.mark.parametrize(
    ("source", "line"),
    [
        (
            {"url": "https://github.com/o/r.git", "vcs_info": {"vcs": "git", "commit_id": "abc123"}},
            "thing @ git+https://github.com/o/r.git@abc123",
        ),
        (
            {
                "url": "https://me:secret@example.com/r",
                "vcs_info": {"vcs": "git", "commit_id": "abc"},
                "subdirectory": "py",
            },
            "thing @ git+https://example.com/r@abc#subdirectory=py",
        ),
        (
            {"url": "https://example.com/thing-1-py3-none-any.whl", "archive_info": {}},
            "thing @ https://example.com/thing-1-py3-none-any.whl",
        ),
        ([], "thing==1"),
    ],
)
def test_what_was_installed_from_a_repository_is_pinned_to_where_it_came_from(site, source, line):
    install(site, "thing", "1", ["thing.py"], beside={"direct_url.json": json.dumps(source)})
    inferred = infer_requirements({"thing": "imported by predict"}, [])
    assert lines_of(inferred) == [line]
    assert inferred.problems == []
    Requirement(line)


@pytest.mark.parametrize(("installer", "count"), [("pip", 1), ("conda", 0)])
def test_a_package_installed_from_this_disk_is_pointed_out(site, installer, count):
    source = {"url": "file:///home/me/thing", "dir_info": {}}
    install(site, "thing", "1", ["thing.py"], beside={"direct_url.json": json.dumps(source), "INSTALLER": installer})
    inferred = infer_requirements({"thing": "imported by predict"}, [])
    assert lines_of(inferred) == ["thing==1"]
    assert len(inferred.problems) == count
    assert all("file:///home/me/thing" in problem for problem in inferred.problems)


def install_server(site):
    standard = ["loop>=0.1; extra == 'standard'", "tools; extra == 'standard'"]
    windows = ["colors; sys_platform == 'win32' and extra == 'standard'"]
    install(site, "server", "1", ["server.py"], ["h", *standard, *windows, "absent; extra == 'all'"])
    install(site, "loop", "0.2", ["loop.py"])
    install(site, "h", "1", ["h.py"])


def test_an_extra_is_listed_where_a_part_of_it_is_imported_and_more_comes_with_it(site):
    install_server(site)
    install(site, "tools", "1", ["tools.py"])
    both = dict.fromkeys(["server", "loop"], "imported by serve")
    assert lines_of(infer_requirements(both, [])) == ["loop==0.2", "server[standard]==1"]
    # It is installed, but nothing of it is used; or all of it is listed by itself.
    assert lines_of(infer_requirements({"server": "imported"}, [])) == ["server==1"]
    assert lines_of(infer_requirements(both, ["tools"])) == ["tools", "loop==0.2", "server==1"]


def test_an_extra_that_is_installed_in_part_is_not_listed(site):
    install_server(site)
    both = dict.fromkeys(["server", "loop"], "imported by serve")
    assert lines_of(infer_requirements(both, [])) == ["loop==0.2", "server==1"]


def test_the_closure_has_what_requirements_bring_on_this_machine_and_no_more(site):
    install_server(site)
    install(site, "tools", "1", ["tools.py"], ["server[standard]", "Deep.Part >=1", "old (>dev)"])
    install(site, "deep-part", "1", ["deep/__init__.py", "deep_one.py"])
    install(site, "old", "1", ["old.py"])
    assert dependency_closure(["server"]) == {"server", "h"}
    whole = {"server", "h", "loop", "tools", "deep-part", "old"}
    assert dependency_closure(["Server[standard]", "absent"]) == whole
    assert dependency_closure(["h; python_version < '3'"]) == set()
    assert importable_modules(["Deep_Part", "loop", "absent"]) == {"deep", "deep_one", "loop"}


def test_the_modules_of_real_packages_are_known():
    assert {"scikit-learn", "numpy", "scipy", "joblib", "threadpoolctl"} <= dependency_closure(["scikit-learn"])
    names = {found.name for found in metadata.distributions()}
    usual = {name for name in metadata.packages_distributions() if name.isidentifier()}
    assert usual <= importable_modules(names)


def test_imports_are_found_wherever_they_stand():
    source = textwrap.dedent("""
        from __future__ import annotations
        import os.path as path, numpy as np
        from typing import TYPE_CHECKING
        import typing
        if TYPE_CHECKING:
            import only_types
        elif typing.TYPE_CHECKING:
            from only_types import too
        else:
            import numpy, in_else
        if not TYPE_CHECKING:
            import in_not
        def predict(data):
            try:
                import ujson
            except ImportError:
                from . import helpers
                from ..up.there import that
                from .near import *
            return "\\d"
    """)
    assert imports_in(source) == {
        "__future__": 2,
        "os.path": 3,
        "numpy": 3,
        "typing": 4,
        "in_else": 11,
        "in_not": 13,
        "ujson": 16,
        ".helpers": 18,
        "..up.there": 19,
        ".near": 20,
    }


@given(st.text())
@example("!pip install numpy")
@example("import a\0")
@example("import " + "(" * 1000)
@example("x = '\ud800'")
@example("-" * 100_000 + "1")
def test_any_text_is_looked_through_without_an_error(source):
    assert all(line >= 1 for line in imports_in(source).values())


names = st.lists(st.from_regex(r"[a-z_]{1,6}", fullmatch=True).map("zz_{}".format), min_size=1, max_size=3).map(
    ".".join
)


@given(st.lists(st.tuples(names, st.sampled_from(["import {}", "from {} import x", "import {} as y"])), max_size=8))
def test_each_module_is_given_with_the_line_of_its_first_import(imports):
    blocks = ["def f():\n    {}", "class A:\n    {}", "while 1:\n    {}", "{}"]
    source, expected = "", {}
    for number, (name, form) in enumerate(imports):
        source += blocks[number % 4].format(form.format(name)) + "\n"
        expected.setdefault(name, source.count("\n"))
    assert imports_in(source) == expected


def test_a_module_that_is_loaded_only_when_it_is_used_is_not_woken(site, monkeypatch):
    install(site, "sleeper", "1", {"sleeper.py": "raise RuntimeError('woken')"})
    spec = importlib.machinery.PathFinder.find_spec("sleeper")
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setitem(sys.modules, "sleeper", module)
    assert distribution_of("sleeper").name == "sleeper"
