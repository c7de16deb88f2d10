"""What a runner takes along, seen in a real shell before anything is registered."""

from __future__ import annotations

import atexit
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

import vessl_nb as vessl
from vessl_nb.capture.inventory import remarks_on_source
from vessl_nb.errors import CannotPickle, InvalidRunner, UndefinedName

HELPER = """
import os
def scale(x):
    return [float(os.environ.get("SCALE", 1)) * value for value in x]
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Give a function that runs a cell of a notebook, with a module beside it, and gives the notebook's variables."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "belongings_helper.py").write_text(HELPER)
    importlib.invalidate_caches()
    main = sys.modules["__main__"]
    config = Config()
    config.HistoryManager.enabled = False  # its sqlite file would stay open
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance(config=config)

    def run_cell(cell):
        shell.run_cell(cell, store_history=True).raise_error()
        return shell.user_ns

    run_cell("import vessl_nb as vessl")
    yield run_cell
    atexit.unregister(shell.atexit_operations)
    InteractiveShell.clear_instance()
    sys.modules["__main__"] = main
    sys.modules.pop("belongings_helper", None)


def runner(body, name="Iris"):
    return f"class {name}(vessl.RunnerBase):\n    @staticmethod\n    def predict(model, data):\n        {body}\n"


def taken(run, body, before=""):
    """Run a cell, and one with a runner whose predict has this body; give what it takes along."""
    run(before)
    return vessl.captures(run(runner(body))["Iris"])


def test_every_name_is_there_with_its_kind_its_cell_and_who_uses_it(run):
    run("import numpy as np\nweights = np.arange(4)\ndef clean(x): return x * weights")
    run("def make(factor):\n    def times(x): return factor * clean(x)\n    return times\ndouble = make(2.5)")
    run(
        "class Iris(vessl.RunnerBase):\n    limit = [7]\n    @staticmethod\n"
        "    def predict(model, data, floor=[0.5]): return max(floor, double(data))"
    )
    found = {name.name: name for name in vessl.captures(run("")["Iris"]).names}
    said = {name: (item.kind, item.type, item.place, item.users) for name, item in found.items()}
    assert said == {
        "double": ("global", "function", "In[3]", ["Iris.predict"]),
        "clean": ("global", "function", "In[2]", ["make.<locals>.times"]),
        "weights": ("global", "numpy.ndarray", "In[2]", ["clean"]),
        "factor": ("closure", "float", "In[3]", ["make.<locals>.times"]),
        "floor": ("default", "list", "In[4]", ["Iris.predict"]),
        "Iris.limit": ("attribute", "list", "", ["Iris"]),
    }
    assert found["weights"].size >= 32
    assert found["clean"].size == 0


def test_an_array_that_a_helper_mentions_by_accident_stands_out_with_advice(run):
    before = "import numpy as np\nstats = np.zeros(100_000)\nfew = np.zeros(9)\ndef clean(x): return x - stats.mean() + few[0]"
    shown = taken(run, "return clean(data)", before)
    [flagged] = [line for line in repr(shown).splitlines() if "large" in line]
    assert flagged.strip() == "large: load it from a file in load_model, or pass it as the model"
    assert repr(shown).index("stats ") < repr(shown).index("large") < repr(shown).index("few ")
    assert "800 KB" in shown._repr_html_()
    assert "KB" not in repr(shown), "sizes differ from one release of a package to another"


def test_a_model_that_was_written_in_a_cell_is_to_be_passed_as_the_instance(run):
    before = "class Net:\n    def __init__(self): self.weights = bytes(300_000)\nnet = Net()"
    assert "large: register it as the model, not as a global name" in repr(taken(run, "return net", before))


def test_a_name_that_exists_nowhere_is_shown_and_not_raised(run):
    run("scaler = 2")
    shown = taken(run, "return scalr * offset")
    assert [type(problem) for problem in shown.problems] == [UndefinedName, UndefinedName]
    first, second = shown.problems
    assert first.what == "Iris.predict uses 'scalr', which exists nowhere, In[3], line 4."
    assert first.next_step == "Did you mean 'scaler'?"
    assert "'offset'" in second.what
    for face in (repr(shown), shown._repr_html_().replace("&#x27;", "'")):
        assert first.what in face
        assert first.next_step in face


def test_a_value_that_cannot_travel_is_shown_with_the_mend(run):
    shown = taken(run, "return box", "import threading\nclass Box: pass\nbox = Box()\nbox.lock = threading.Lock()")
    [problem] = shown.problems
    assert isinstance(problem, CannotPickle)
    assert problem.path == "box.lock"
    assert problem.what in repr(shown)
    assert "Create it in load_model, or inside Iris.predict, which uses it." in repr(shown)


def test_local_modules_requirements_and_variables_are_listed_with_their_reasons(run):
    run("import belongings_helper, numpy as np")
    shown = taken(run, "return np.array(belongings_helper.scale(data))")
    assert shown.modules == {"belongings_helper.py": len(HELPER)}
    assert {needed.line.partition("==")[0]: needed.reason for needed in shown.requirements}.keys() == {"numpy"}
    assert shown.reads == {"SCALE": "belongings_helper.py"}
    text = repr(shown)
    assert "Modules        belongings_helper.py" in text
    assert "Requirements   numpy   numpy" in text
    assert "Environment    SCALE   read by belongings_helper.py" in text
    assert 'env=["SCALE"]' in text
    assert shown.requirements[0].line in shown._repr_html_()


def test_the_package_of_the_model_is_needed(run):
    pytest.importorskip("sklearn")
    iris = run("from sklearn.dummy import DummyClassifier\nmodel = DummyClassifier()\n" + runner("return data"))
    with_model = vessl.captures(iris["Iris"], iris["model"])
    assert "scikit-learn" in [needed.line.partition("==")[0] for needed in with_model.requirements]
    assert vessl.captures(iris["Iris"]).requirements == ()


def test_a_secret_is_flagged_and_shown_nowhere(run):
    token = "ghp_" + "a1B2c3D4e5F6g7H8i9J0"
    shown = taken(run, "return CONFIG", f"CONFIG = {{'url': 'x', 'token': '{token}'}}")
    for face in (repr(shown), shown._repr_html_()):
        assert "secret" in face
        assert token not in face
    assert 'env=["TOKEN"]' in repr(shown)


@pytest.mark.parametrize(
    ("cell", "variable"),
    [
        ("class Box: pass\ncfg = Box()\ncfg.api_key = 'abc'", "API_KEY"),
        ("cfg = {'hub': {'apiKey': 'abc'}}", "API_KEY"),
        ("cfg = {'hub': ['ghp_' + 'a1B2c3D4e5F6g7H8i9J0']}", "HUB"),
    ],
)
def test_the_variable_for_a_secret_is_named_by_the_last_step_of_the_way_to_it(run, cell, variable):
    assert f'env=["{variable}"]' in repr(taken(run, "return cfg", cell))


KEY = "sk-" + "proj-a1B2c3D4e5F6g7H8i9J0"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (f"        return call('{KEY}')", "line 3, holds what looks like an API key"),
        (f"        # {KEY}", "line 3, holds what looks like an API key"),
        ("        api_key = 'hunter2'", "line 3, holds what looks like a secret"),
    ],
)
def test_a_key_that_is_written_anywhere_in_the_source_is_remarked_with_its_line_and_not_shown(line, said):
    [remark] = remarks_on_source(f"class Iris:\n    def predict(model, data):\n{line}\n        return 1\n")
    assert said in remark
    assert KEY not in remark
    assert "hunter2" not in remark
    assert ('env=["API_KEY"]' in remark) is ("api_key" in line)


def test_every_line_with_a_key_is_remarked_and_a_private_key_once():
    private = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow1\nIBAAK==\n-----END RSA PRIVATE KEY-----"
    remarks = remarks_on_source(f'a = \'{KEY}\'\nb = \'{KEY}\'\nc = 1\nd = """{private}"""\n')
    assert [remark.partition(", holds")[0] for remark in remarks] == [f"runner.py, line {line}" for line in (1, 2, 4)]
    assert "a private key" in remarks[-1]
    assert remarks_on_source("token = os.environ['TOKEN']\n") == []


def test_a_package_that_a_function_can_do_without_is_not_missed_and_one_that_it_needs_is(run):
    tried = "try:\n            import quick_nowhere.sub\n        except ImportError:\n            pass"
    assert taken(run, f"{tried}\n        return data").remarks == ()
    [remark] = taken(run, f"{tried}\n        import quick_nowhere.sub\n        return data").remarks
    assert remark.startswith("quick_nowhere.sub, imported by Iris.predict, is in no package")
    run("def helper():\n    import quick_nowhere.sub")
    [remark] = taken(run, f"{tried}\n        return helper()").remarks
    assert "is in no package" in remark


def test_a_constant_of_a_module_that_the_notebook_set_is_remarked(run):
    (Path.cwd() / "belongings_helper.py").write_text(HELPER + "LIMIT = 2\n")
    run("import belongings_helper\nbelongings_helper.LIMIT = 5")
    [remark, _] = taken(run, "return belongings_helper.scale(data)").remarks
    assert remark.startswith("belongings_helper.LIMIT is 5 here and 2 in belongings_helper.py, which travels.")


def test_a_helper_that_was_redefined_after_the_runner_is_remarked(run):
    iris = run("def clean(x): return x\n")
    run(runner("return clean(data)"))
    run("def clean(x): return -x")
    [remark] = vessl.captures(iris["Iris"]).remarks
    assert remark.startswith("clean was redefined")
    assert remark in repr(vessl.captures(iris["Iris"]))


def test_a_runner_that_takes_nothing_along(run):
    shown = taken(run, "return data")
    assert (shown.names, shown.modules, shown.requirements, shown.problems, shown.remarks) == ((), {}, (), (), ())
    assert repr(shown) == "Iris takes along nothing of the notebook"


def test_a_class_that_is_no_runner_is_refused(run):
    with pytest.raises(InvalidRunner):
        vessl.captures(run("class Odd: pass")["Odd"])


def test_looking_writes_nothing_and_leaves_the_class_alone(run, registry_root):
    iris = run("weights = [1, 2]\n" + runner("return weights"))["Iris"]
    before = dict(vars(iris))
    vessl.captures(iris)
    assert dict(vars(iris)) == before
    assert not registry_root.exists()


SESSION = """
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
for cell in [
    "import vessl_nb as vessl, numpy as np, threading",
    "w = np.zeros(50_000); lock = threading.Lock(); words = {'b', 'a', 'c'}\\ndef f(x): return x + w, words, lock, zz",
    "class Iris(vessl.RunnerBase):\\n    @staticmethod\\n    def predict(model, data): return f(data)",
    "print(vessl.captures(Iris))",
]:
    shell.run_cell(cell, store_history=True).raise_error()
"""


def test_the_text_is_the_same_in_every_process(tmp_path):
    def text(seed):
        environment = os.environ | {"PYTHONHASHSEED": seed, "IPYTHONDIR": str(tmp_path / seed)}
        command = [sys.executable, "-c", SESSION]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    first = text("1")
    assert first == text("2")
    assert "Problems" in first
    assert "large" in first
