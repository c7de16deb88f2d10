"""The names that users import, what they say of themselves, and the tree of errors."""

from __future__ import annotations

import inspect
import pickle
import re
import subprocess
import sys

import pytest

import vessl_nb as vessl
from vessl_nb import errors
from vessl_nb.values.encoding import NotEncodable

FACE = [
    "Captures",
    "LoadedModel",
    "Preview",
    "RunnerBase",
    "Server",
    "Version",
    "VesslError",
    "archive",
    "captured",
    "captures",
    "check",
    "create_model",
    "delete_model",
    "list_models",
    "load",
    "preview",
    "purge",
    "read_model",
    "register_form",
    "register_model",
    "register_torch_model",
    "serve",
    "serve_model",
    "set_alias",
    "unarchive",
    "upload_model_volume_file",
    "versions",
    "versions_table",
]

HEAVY = {"torch", "pandas", "numpy", "IPython", "ipywidgets", "ipykernel", "anywidget", "sklearn", "pydantic"}


def test_the_public_face_is_this_and_nothing_else():
    assert vessl.__all__ == FACE == sorted(FACE)
    assert all(getattr(vessl, name).__module__.startswith("vessl_nb.") for name in FACE)
    assert set(FACE) <= set(dir(vessl))


def test_a_star_import_brings_the_face():
    namespace = {}
    exec("from vessl_nb import *", namespace)
    assert sorted(namespace.keys() - {"__builtins__"}) == FACE


def test_what_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'vessl_nb' has no attribute 'regster_model'"):
        _ = vessl.regster_model


def sections_of(documented):
    """Split a numpy docstring: its summary, and the text of each section."""
    text = inspect.getdoc(documented)
    summary, *_ = text.split("\n")
    parts = re.split(r"^(\w+)\n-{3,}$", text, flags=re.MULTILINE)
    return summary, dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("name", FACE)
def test_each_name_has_a_docstring_in_numpys_style(name):
    documented = getattr(vessl, name)
    summary, sections = sections_of(documented)
    assert summary.endswith(".")
    if inspect.isclass(documented):
        methods = {n: m for n, m in vars(documented).items() if callable(m) and not n.startswith("_")}
        assert "Attributes" in sections or "Parameters" in sections or methods
        assert all(inspect.getdoc(method) for method in methods.values())
        return
    parameters = [
        ("**" if p.kind is p.VAR_KEYWORD else "") + p.name for p in inspect.signature(documented).parameters.values()
    ]
    described = re.findall(r"^(\S.*)$", sections["Parameters"], flags=re.MULTILINE)
    assert ", ".join(described).split(", ") == parameters
    assert "Raises" in sections
    if inspect.signature(documented).return_annotation != "None":
        assert "Returns" in sections


@pytest.mark.parametrize("statement", ["import vessl_nb", "from vessl_nb import RunnerBase, VesslError"])
def test_importing_brings_nothing_heavy(statement):
    script = f"import sys\n{statement}\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "vessl_nb" in done.stdout.split()
    assert HEAVY.isdisjoint(done.stdout.split())


def test_registering_and_loading_bring_neither_torch_nor_jupyter():
    script = """
import sys, vessl_nb as vessl
class Runner(vessl.RunnerBase):
    @staticmethod
    def predict(model, data):
        return model
vessl.register_model("iris", None, Runner, "m", sample="x")
assert vessl.load("iris").run(None) == "m"
print(*sorted({name.partition('.')[0] for name in sys.modules}))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert HEAVY.isdisjoint(done.stdout.split())


class TestErrors:
    """The tree of errors."""

    def test_the_docstring_draws_every_error_under_its_base(self):
        drawn, path = {}, []
        for line in errors.__doc__.splitlines():
            if match := re.match(r"    ((?:│   |    )*(?:├── |└── )?)([A-Z]\w+)( |$)", line):
                depth = len(match[1]) // 4
                path[depth:] = [match[2]]
                drawn[match[2]] = path[-2] if depth else None
        defined = {
            name: cls
            for name, cls in vars(errors).items()
            if isinstance(cls, type) and issubclass(cls, errors.VesslError)
        }
        assert drawn == {
            name: None if cls is errors.VesslError else cls.__bases__[0].__name__ for name, cls in defined.items()
        }
        assert len(drawn) > 10

    @pytest.mark.parametrize(
        ("error", "builtin"),
        [
            (errors.InvalidArgument, ValueError),
            (errors.NotFound, LookupError),
            (errors.CannotPickle, TypeError),
            (errors.RegistryError, OSError),
        ],
    )
    def test_an_error_is_what_python_would_raise_too(self, error, builtin):
        assert issubclass(error, builtin)

    @pytest.mark.parametrize(
        "error",
        [
            errors.VesslError("It broke."),
            errors.InvalidArgument("'x' is wrong.", "Write 'y'."),
            errors.InvalidReference("'iris:' is no reference.", "Write 'iris'."),
            errors.InvalidRunner("It has no predict.", "Add one."),
            errors.NotFound("There is no 'x'.", "Did you mean 'y'?"),
            errors.CannotPickle("Cannot pickle model.lock.", "Remove it.", path="model.lock"),
            errors.StageError("R.predict raised E", "Look.", stage="predict", problem="E", lines=["cell, line 1"]),
            errors.RegistryError("Cannot write /x.", "Free it."),
            errors.FormatTooNew("It has format 9.", "Upgrade."),
            errors.Damaged("It is damaged.", "Restore it."),
            errors.CannotLoad("Cannot load it.", "Look."),
            errors.WrongPython("It is another Python's.", "Use that one."),
            errors.MissingRequirement("It needs x.", "pip install x", missing=["x"]),
            NotEncodable("sample is odd.", "Give plain data.", path="sample[0]"),
        ],
        ids=lambda error: type(error).__name__,
    )
    def test_an_error_survives_another_process_with_its_fields(self, error):
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error)
        assert vars(again) == vars(error)
        assert str(again) == str(error) == "\n".join(filter(None, [error.what, error.next_step]))
        assert again._render_traceback_()[-1] == f"{type(error).__name__}: {error}"

    def test_what_a_stage_raised_is_shown_in_the_users_own_lines(self):
        class Runner(vessl.RunnerBase):
            @staticmethod
            def predict(model, data):
                return {}[data]

        vessl.register_model("iris", None, Runner, "m")
        with pytest.raises(errors.StageError) as caught:
            vessl.load("iris").run("key")
        error = caught.value
        assert (error.stage, error.problem) == ("predict", "KeyError: 'key'")
        assert isinstance(error.__cause__, KeyError)
        assert not [line for line in error.lines if "vessl_nb" in line or "loading.py" in line]
