"""What would fail elsewhere fails here, before anything is committed, and says why."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import vessl_nb as vessl
from vessl_nb.errors import CheckFailed, InvalidArgument, StageError
from vessl_nb.registry.fsck import check_registry
from vessl_nb.registry.registry import open_registry
from vessl_nb.registry.version import find_version

RUNNER = """
class Runner(vessl.RunnerBase):
    @staticmethod
    def predict(model, data):
        {body}
"""


def cells(body, *before):
    return ["import vessl_nb as vessl", *before, RUNNER.format(body=body)]


@pytest.fixture
def in_shell(tmp_path):
    """Give a function that registers from the cells of a real shell, in a folder of its own; it gives what was said."""

    def run(given, keywords="sample=3", files=(), environment=()):
        folder = tmp_path / "notebook"
        folder.mkdir(exist_ok=True)
        for name, text in dict(files).items():
            (folder / name).write_text(text)
        ran = subprocess.run(
            [sys.executable, "-c", "import sys; sys.path.insert(0, ''); exec(open(sys.argv[1]).read())", SCRIPT],
            input=json.dumps([["it", given, keywords]]),
            env=os.environ | {"IPYTHONDIR": str(tmp_path / "ipython")} | dict(environment),
            cwd=folder,
            check=False,
            text=True,
            capture_output=True,
        )
        assert ran.returncode == 0, ran.stderr[-3000:]
        return json.loads(ran.stdout.splitlines()[-1])["it"]

    return run


SCRIPT = str(Path(__file__).parent / "register_in_shells.py")


def nothing_is_left(root):
    """Tell whether a registry is as one that was just made: no journal, no blob."""
    return not list(root.glob("journal/*/*/*")) and not list(root.glob("blobs/*/*"))


def test_a_package_that_only_pythonpath_has_is_found_there_too(in_shell, tmp_path):
    site = tmp_path / "site"
    (site / "thing-1.0.dist-info").mkdir(parents=True)
    (site / "thing-1.0.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n")
    (site / "thing-1.0.dist-info/RECORD").write_text("thing.py,,\nthing-1.0.dist-info/METADATA,,\n")
    (site / "thing.py").write_text("def answer(): return 42\n")
    said = in_shell(cells("return thing.answer() + data", "import thing"), environment={"PYTHONPATH": str(site)})
    assert (said["answer"], said["passed"]) == (45, True), said
    assert said["requirements"] == [["thing==1.0", "thing, imported by Runner.predict"]]


class TestTheSixCases:
    def test_a_name_that_exists_nowhere_in_postprocess(self, in_shell, registry_root):
        given = ["import vessl_nb as vessl\nscaler = 2", RUNNER.format(body="return data")
                 + "    @staticmethod\n    def postprocess_data(data):\n        return data if data else data * scalar"]  # fmt: skip
        said = in_shell(given)["error"]
        assert said.startswith(
            "UndefinedName: Runner.postprocess_data uses 'scalar', which exists nowhere, In[2], line 7"
        )
        assert "Did you mean 'scaler'?" in said
        assert nothing_is_left(registry_root)

    def test_a_requirement_nobody_has(self, in_shell, registry_root):
        said = in_shell(cells("return data"), "sample=3, requirements=['no-such-thing-of-anyone>=2']")["error"]
        assert said.startswith(
            "CheckFailed: Runner cannot be checked: no-such-thing-of-anyone>=2 is declared, but is not"
        )
        assert nothing_is_left(registry_root)

    def test_a_helper_module_beside_the_notebook_travels(self, in_shell, tmp_path, monkeypatch):
        files = {"helper.py": "def double(x): return 2 * x\n"}
        said = in_shell(cells("return helper.double(data)", "import helper"), files=files)
        assert (said["passed"], said["answer"]) == (True, 6)
        monkeypatch.chdir(tmp_path)
        version = find_version("r0")  # not loaded: this process would have the module for good
        assert list(version.manifest.modules) == ["helper.py"]
        (tmp_path / "runner.py").write_text(version.source + "\nprint(Runner.predict(None, 4))\n")
        environment = os.environ | {"VESSL_NB_VERSION": "r0"}
        ran = subprocess.run([sys.executable, "runner.py"], env=environment, capture_output=True, text=True, check=True)
        assert ran.stdout == "8\n"

    def test_one_that_does_not_travel_is_named(self, in_shell, registry_root):
        files = {"helper.py": "def double(x): return 2 * x\n"}
        body = "import importlib\n        return importlib.import_module('helper').double(data)"
        said = in_shell(cells(body), files=files)["error"]
        assert "raised ModuleNotFoundError: No module named 'helper' (In[2], line 5: " in said
        assert "helper.py is here, but was not taken along: write `import helper` where the runner uses it." in said
        assert nothing_is_left(registry_root)

    def test_a_package_that_is_not_declared_is_inferred(self, in_shell):
        said = in_shell(cells("import yaml\n        return yaml.safe_load('[1, 2]') + [data]"))
        [[line, reason]] = said["requirements"]
        assert line.startswith("PyYAML==")
        assert "yaml, imported by Runner.predict" in reason
        assert said["answer"] == [1, 2, 3]

    def test_one_that_is_hidden_from_it_is_named(self, in_shell, registry_root):
        body = "import importlib\n        return len(importlib.import_module('sklearn').__version__)"
        said = in_shell(cells(body))["error"]
        assert "No module named 'sklearn'" in said
        assert 'scikit-learn is installed here, but the version declares nothing: requirements=["scikit-learn==' in said
        assert nothing_is_left(registry_root)

    def test_a_declared_one_that_is_not_what_is_installed(self, in_shell):
        said = in_shell(cells("import yaml\n        return data"), "sample=3, requirements=['PyYAML<1']")
        assert "PyYAML<1 is declared, but" in said["error"]
        assert "PyYAML<1 is declared, but" in said["warnings"][0]

    def test_a_global_of_a_module_that_was_changed(self, in_shell, registry_root):
        given = cells("return helper.scale(data)", "import helper", "helper.FACTOR = 5")
        files = {"helper.py": "FACTOR = 2\ndef scale(x): return FACTOR * x\n"}
        said = in_shell(given, files=files)["error"]
        assert said.startswith("CheckFailed: Runner answers the sample otherwise in a clean process than here: ")
        assert "6, not 15" in said
        assert nothing_is_left(registry_root)

    def test_a_file_in_the_notebooks_folder(self, in_shell, registry_root):
        said = in_shell(cells("return open('data.txt').read()"), files={"data.txt": "a"})["error"]
        assert "FileNotFoundError" in said
        assert "(In[2], line 4: return open('data.txt').read())" in said
        assert 'artifacts={"data.txt": "data.txt"}' in said
        assert nothing_is_left(registry_root)

    def test_an_environment_variable(self, in_shell, registry_root):
        body = "import os\n        return os.environ['MY_KEY']"
        said = in_shell(cells(body), environment={"MY_KEY": "hidden value"})
        assert 'The environment variable MY_KEY is not declared: env=["MY_KEY"].' in said["error"]
        assert "Runner.predict reads the environment variable MY_KEY" in said["warnings"][0]
        assert "hidden value" not in json.dumps(said)
        assert nothing_is_left(registry_root)
        said = in_shell(cells(body), "sample=3, env=['MY_KEY']", environment={"MY_KEY": "value"})
        assert said["passed"]


def make(body="return data", **members):
    namespace = {"vessl": vessl, "__name__": "__main__", **members}
    exec(RUNNER.format(body=body), namespace)
    return namespace["Runner"]


def test_without_it_the_version_says_so():
    version = vessl.register_model("iris", None, make("raise ValueError"), "m", sample=None, check=False)
    assert version.face().unchecked == "not checked, as was asked"
    assert vessl.register_model("iris", None, make(), "m").face().unchecked == "not checked: no sample"


def test_a_declared_variable_that_is_not_set_is_said_before():
    with pytest.raises(CheckFailed, match="it declares VESSL_NB_NOPE, which is not set here"):
        vessl.register_model("iris", None, make(), "m", sample=1, env=["VESSL_NB_NOPE"])


def test_without_examples_kept_it_is_checked_all_the_same():
    version = vessl.register_model("iris", None, make(), "m", sample=[1, 2], store_examples=False)
    assert version.examples == []
    assert version._revision.registered.check.samples == 2
    with pytest.raises(InvalidArgument, match="iris:1 has no examples"):
        vessl.check("iris:1")


def test_what_is_not_deterministic_is_compared_by_type_and_shape_and_said():
    version = vessl.register_model("iris", None, make("import random; return [random.random()] * 3"), "m", sample=1)
    [remark] = [said for said in version._revision.registered.check.remarks if "deterministic" in said]
    assert remark.startswith("Its answer to the sample is not deterministic")


def test_one_whose_shape_changes_fails_though_it_is_not_deterministic():
    grow = "import os, random; return [random.random()] * len(os.getcwd())"
    with pytest.raises(CheckFailed, match="otherwise in a clean process"):
        vessl.register_model("iris", None, make(grow), "m", sample=1)


@pytest.mark.parametrize("body", [
    "return list({'a', 'b', 'c', 'd', 'e', 'f'})", "import os; return os.getpid()",
    "import random; return [1] * random.randrange(1000)", "return hash('text')",
])  # fmt: skip
def test_what_is_chance_or_another_in_each_process_is_no_failure(body):
    check = vessl.register_model("iris", None, make(body), "m", sample=1)._revision.registered.check
    assert check.passed


def test_what_the_sample_leaves_in_a_cache_does_not_travel():
    runner = make("seen.append(data); return len(seen)", seen=[])
    version = vessl.register_model("iris", None, runner, "m", sample=[5], store_examples=False)
    assert vessl.load(version.reference).run(7) == 1


def test_a_forked_child_that_outlives_it_is_not_waited_for():
    body = "import os, time\n        if not os.fork(): time.sleep(20); os._exit(0)"
    begun = time.monotonic()
    vessl.register_model("iris", None, make(body), "m", sample=1)
    assert time.monotonic() - begun < 15


def test_what_was_raised_there_shows_no_secret(in_shell, registry_root):
    url = "postgres://user:hunter2hunter2@db"
    body = f"import os\n        if 'MINE' not in os.environ: raise ValueError('cannot connect to {url}')"
    said = in_shell(cells(body), environment={"MINE": "1"})
    assert "cannot connect to postgres://user:***@db" in said["error"]
    assert "hunter2" not in said["error"]


def test_a_process_that_dies_is_said(registry_root):
    body = "import os; seen.append(1)\n        if len(seen) > 1: os._exit(7)"
    with pytest.raises(CheckFailed, match="ended with status 7"):
        vessl.register_model("iris", None, make(body, seen=[]), "m", sample=1)
    assert nothing_is_left(registry_root)


def test_a_refused_version_leaves_what_others_share():
    weights = b"w" * 2_000_000
    vessl.register_model("iris", None, make(), weights, sample=1)
    with pytest.raises(CheckFailed):
        vessl.register_model("iris", None, make("import os; return os.getcwd()"), weights, sample=1)
    report = check_registry(open_registry())
    assert (report.problems, report.unreferenced) == ([], 0)
    assert vessl.load("iris").model == weights


def test_a_secret_in_a_helper_module_can_be_purged(in_shell, registry_root):
    files = {"helper.py": "KEY = 'the secret that should not be here'\ndef get(x): return x\n"}
    assert in_shell(cells("return helper.get(data)", "import helper"), files=files)["passed"]
    vessl.purge("r0:1")
    places = [registry_root, registry_root.parent / "cache"]
    assert not [p for place in places for p in place.rglob("*") if p.is_file() and b"the secret that" in p.read_bytes()]


def test_it_can_be_checked_again_later_and_the_result_kept():
    vessl.register_model("iris", None, make(), "m", sample=1, check=False)
    assert vessl.check("iris").check.passed
    assert vessl.load("iris").version._revision.registered.check is None
    assert vessl.check("iris:1", record=True).check.samples == 1
    assert vessl.load("iris").version._revision.registered.check.passed


def test_a_failure_that_is_recorded_is_kept(monkeypatch):
    monkeypatch.setenv("VESSL_NB_X", "one")
    runner = make("import os; return os.environ['VESSL_NB_X']")
    vessl.register_model("iris", None, runner, "m", sample=1, env=["VESSL_NB_X"])
    monkeypatch.setenv("VESSL_NB_X", "two")
    with pytest.raises(CheckFailed, match="'two', not 'one'"):
        vessl.check("iris", record=True)
    check = vessl.load("iris").version._revision.registered.check
    assert not check.passed
    assert "otherwise in a clean process" in check.remarks[0]


def test_an_interrupt_ends_the_process_and_leaves_nothing(registry_root, tmp_path):
    script = (
        "import vessl_nb as vessl, time, os\n"
        "seen = []\n"
        "class Runner(vessl.RunnerBase):\n"
        "    @staticmethod\n"
        "    def predict(model, data):\n"
        "        seen.append(1)\n"
        "        if len(seen) > 1:\n"
        "            open(model, 'w').write(str(os.getpid()))\n"
        "            time.sleep(60)\n"
        f"vessl.register_model('iris', None, Runner, {str(tmp_path / 'pid')!r}, sample=1)\n"
    )
    import signal

    process = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True)
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        time.sleep(0.05)
        assert process.poll() is None, process.stderr.read()
    process.send_signal(signal.SIGINT)
    assert "KeyboardInterrupt" in process.communicate(timeout=20)[1]
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
    assert nothing_is_left(registry_root)


def test_a_runner_that_exits_fails_in_words():
    with pytest.raises(StageError, match=r"Runner.predict raised SystemExit: 3"):
        vessl.register_model("iris", None, make("import sys; sys.exit(3)"), "m", sample=1)
