"""``serve_model``, as VESSL's SDK has it: with a real wheel, real pip, and no network."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from small_runners import Adds, Imports

import vessl_nb as vessl
from vessl_nb.errors import CannotServe, InvalidArgument, NotFound

NAME = "vessl_nb_tiny_addition"


@pytest.fixture
def registered():
    vessl.register_model("iris", None, Adds, 1, sample=1, check=False)


def make_wheel(folder):
    """Write a wheel of one module."""
    folder.mkdir()
    info = f"{NAME}-1.0.dist-info"
    files = {
        f"{NAME}.py": "AMOUNT = 40\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {NAME.replace('_', '-')}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    for name, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record += f"{name},sha256={digest},{len(text)}\n"
    with zipfile.ZipFile(folder / f"{NAME}-1.0-py3-none-any.whl", "w") as wheel:
        for name, text in (files | {f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}).items():
            wheel.writestr(name, text)


@pytest.fixture
def wheels(tmp_path, monkeypatch):
    """Give pip wheels from a folder, and no network; what it installs is taken away again."""
    make_wheel(tmp_path / "wheels")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.setenv("PIP_ROOT_USER_ACTION", "ignore")
    yield
    uninstall = [sys.executable, "-m", "pip", "uninstall", "-y", NAME]
    subprocess.run(uninstall, capture_output=True, check=True)


def register_uninstalled(runner, model, requirement):
    with pytest.warns(UserWarning, match="is declared, but is not installed here"):
        vessl.register_model("iris", None, runner, model, [requirement], check=False)


def test_a_model_is_served_by_its_number(registered):
    with vessl.serve_model("iris", 1) as server:
        assert (server.reference, server.version) == ("iris:1", "iris:1")
        assert server.predict(2) == 3


def test_a_number_may_be_numpys_own(registered):
    with vessl.serve_model("iris", np.int64(1)) as server:
        assert server.predict(41) == 42


def test_of_another_organization_as_well():
    vessl.register_model("iris", None, Adds, 5, sample=1, check=False, organization_name="lab")
    with vessl.serve_model("iris", 1, organization_name="lab") as server:
        assert server.reference == "lab/iris:1"
        assert server.predict(2) == 7


def test_what_it_requires_is_installed_where_that_is_asked_for(wheels, capfd):
    requirement = f"{NAME.replace('_', '-')}==1.0"
    register_uninstalled(Imports, NAME, requirement)
    with pytest.raises(CannotServe, match=r"needs what is not installed here: vessl-nb-tiny-addition==1\.0"):
        vessl.serve_model("iris", 1)
    with vessl.serve_model("iris", 1, install_reqs=True) as server:
        assert server.predict(2) == 42
    assert f"Installing what iris:1 requires: {requirement}" in capfd.readouterr().out


def test_what_cannot_be_installed_is_said_in_two_lines(wheels):
    register_uninstalled(Adds, 1, "vessl-nb-is-nowhere==9.9")
    with pytest.raises(CannotServe) as caught:
        vessl.serve_model("iris", 1, install_reqs=True)
    assert caught.value.what.startswith("What iris:1 requires cannot be installed: ERROR: ")
    assert "vessl-nb-is-nowhere==9.9" in caught.value.what
    assert caught.value.next_step == "To see all of it: pip install vessl-nb-is-nowhere==9.9"


def test_a_cluster_that_there_is_none_of_is_refused_in_words(registered):
    with pytest.raises(InvalidArgument, match="remote=True serves on VESSL's cluster, and vessl_nb has none"):
        vessl.serve_model("iris", 1, remote=True)


@pytest.mark.parametrize("number", [0, -1, True, "champion", 1.5, None])
def test_what_is_no_number_is_refused(registered, number):
    with pytest.raises(InvalidArgument, match="model_number is"):
        vessl.serve_model("iris", number)


def test_a_model_that_is_not_there_is_not_found(registered):
    with pytest.raises(NotFound, match="2"):
        vessl.serve_model("iris", 2)
