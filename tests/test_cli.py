"""The shell's skin, as a shell runs it: another process, its exit status and its two streams."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from shell_command import COMMAND, fails, run, says

import vessl_nb as vessl
from vessl_nb.registry.version import find_version
from vessl_nb.runner import TorchRunner
from vessl_nb.values.secrets import mask_secrets

CELL = """
import vessl_nb as vessl

class Scale:
    def __init__(self, factor): self.factor = factor

class Iris(vessl.RunnerBase):
    @staticmethod
    def predict(model, data):
        match data:
            case {"x": list(values)}:
                return {"y": [model.factor * value for value in values]}
            case {"noise": text}:
                print(text)
                return "quiet"
            case {"nan": True}:
                return [float("nan"), float("inf")]
            case {"array": size}:
                import numpy
                return numpy.arange(size)
        raise ValueError("no x")
"""


TYPED_CELL = """
import pydantic
import vessl_nb as vessl

class Flower(pydantic.BaseModel):
    sepal: float

class Typed(vessl.RunnerBase[list[Flower], float]):
    @staticmethod
    def predict(model, data):
        return sum(flower.sepal for flower in data) * 2
"""


def written(tmp_path, text):
    """Run a cell of a notebook, or as good as one; gives its variables."""
    cell = tmp_path / "cell.py"  # where its source is found
    cell.write_text(text)
    variables = {"__name__": "__main__"}
    exec(compile(text, cell, "exec"), variables)
    return variables


@pytest.fixture
def iris(tmp_path):
    """Register two versions of a runner."""
    variables = written(tmp_path, CELL)
    runner, model = variables["Iris"], variables["Scale"]
    vessl.register_model("iris", None, runner, model(2), aliases=["champion"], tags={"accuracy": 0.97})
    vessl.register_model("iris", None, runner, model(3), description="the better one")


def test_help_lists_the_commands():
    text = says("--help")
    for command in ("demo", "list", "show", "check", "run", "alias", "archive", "delete", "purge", "gc", "fsck"):
        assert f"\n    {command} " in text
        assert says(command, "--help").startswith(f"usage: vessl-nb {command} ")


@pytest.mark.parametrize("arguments", [[], ["frob"], ["show"], ["check"], ["run", "iris"], ["list", "--frob"]])
def test_wrong_usage_is_shown_the_right_one(arguments):
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: vessl-nb")
    assert "Traceback" not in done.stderr


class TestList:
    def test_an_empty_registry(self, registry_root):
        assert says("list").splitlines() == [
            "All model repositories",
            "  No versions yet. Register one: %vessl_register NAME",
            f"  Looked in {registry_root}",
        ]
        assert not registry_root.exists()

    def test_one_repository_and_all(self, iris):
        vessl.create_model("lab_notes")
        header, titles, newest, oldest = says("list", "iris").splitlines()
        assert header == "iris, 2 versions"
        assert titles.split()[:3] == ["Version", "Aliases", "Runner"]
        assert newest.split()[0] == "iris:2"
        assert oldest.split()[:3] == ["iris:1", "champion", "Iris"]
        assert "0.97" in oldest
        everything = says("list")
        assert everything.startswith("All model repositories, 3 versions")
        assert "lab_notes:1" in everything

    def test_a_repository_that_does_not_exist(self, iris, registry_root):
        assert fails("list", "irsi") == [
            f"There is no model repository 'irsi' in {registry_root}.",
            "Did you mean 'iris'?",
        ]

    def test_a_version_is_no_repository(self, iris):
        assert fails("list", "iris:1")[1] == "Use 'iris'."

    @pytest.mark.parametrize("size", ["head", "none"])
    def test_a_pipe_that_is_closed_early_is_no_matter(self, iris, size):
        reader = "head -c 1" if size == "head" else "true"
        done = subprocess.run(
            ["bash", "-c", f'"{COMMAND}" list | {reader}; echo "${{PIPESTATUS[0]}}"'],
            capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        assert done.stderr == ""
        assert done.stdout.strip()[-1] in "01"

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a full device")
    def test_a_full_disk_is_said(self, iris):
        with Path("/dev/full").open("w") as full:
            done = subprocess.run(
                [COMMAND, "list"], stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60
            )
        assert (done.returncode, done.stderr) == (1, "vessl-nb: [Errno 28] No space left on device\n")

    def test_a_registry_of_a_newer_format_is_refused(self, iris, registry_root):
        marker = registry_root / "format.json"
        newer = json.loads(marker.read_text()) | {"format": 999}
        marker.unlink()
        marker.write_text(json.dumps(newer))
        assert "999" in " ".join(fails("list"))


class TestShow:
    def test_it_says_what_a_version_holds(self, iris):
        text = says("show", "iris:champion")
        assert text.startswith("iris:1 (champion)\n")
        assert "accuracy=0.97" in text
        assert "Created" in text
        assert "class Iris(vessl.RunnerBase):" in text
        assert text.index("Created") < text.index("class Iris")

    def test_a_repository_means_its_newest_version(self, iris):
        assert says("show", "iris") == says("show", "iris:2")
        assert "the better one" in says("show", "iris")

    @pytest.mark.parametrize(
        ("reference", "what"),
        [
            ("iris:9", "iris has no model 9."),
            ("iris:chmapion", "iris has no alias 'chmapion'."),
            ("iris:", "'iris:' is no reference."),
            ("a b", "'a b' is no reference."),
        ],
    )
    def test_a_reference_to_nothing(self, iris, reference, what):
        lines = fails("show", reference)
        assert lines[0] == what
        assert len(lines) == 2

    def test_an_empty_registry(self):
        assert fails("show", "iris")[0].startswith("There is no model repository 'iris' in ")

    def test_the_examples_are_shown_beside_the_source(self, iris):
        vessl.register_model("iris", 2, vessl.load("iris").runner, vessl.load("iris").model, sample={"x": [1] * 99})
        shown = says("show", "iris")
        assert '  Example        {"x": [1, 1, 1' in shown
        assert "class Iris" in says("show", "iris:1")


TAKING = """
import os
import vessl_nb as vessl

LIMIT = [7]
NOISE = bytes(300_000)
API_KEY = "hf_aB3aB3aB3aB3aB3aB3aB3"

def clean(x):
    return min(x, LIMIT[0])

class Taking(vessl.RunnerBase):
    @staticmethod
    def predict(model, data):
        return [os.environ.get("FLAVOUR_OF_TEST"), clean(data), len(NOISE), len(API_KEY)]
"""


@pytest.fixture
def taking(tmp_path, monkeypatch):
    """Register a version with a sample, whose answer hangs on an environment variable, and that has a secret."""
    monkeypatch.setenv("FLAVOUR_OF_TEST", "sweet")
    runner = written(tmp_path, TAKING)["Taking"]
    with pytest.warns(UserWarning, match="API_KEY travels"):
        vessl.register_model("taking", None, runner, "m", sample=9, env=["FLAVOUR_OF_TEST"])


class TestTakingAlong:
    def test_show_says_what_travels_and_how_it_was_checked(self, taking):
        shown = says("show", "taking")
        for line in (
            r"Check +passed in a clean process, 1 sample, Python 3\.\d+\.\d+, \d",
            r"Signature +input +integer",
            r"API_KEY +str +\d+ B +.*used by Taking.predict",
            r" +secret: its \w+ ",
            r"NOISE +bytes +300 KB .*used by Taking.predict",
            r" +large: load it from a file in load_model, or pass it as the model",
            r"clean +function +.*used by Taking.predict",
            r"LIMIT +list +\d+ B +.*used by clean",
            r"Environment +FLAVOUR_OF_TEST\n",
        ):
            assert re.search(line, shown), line

    def test_the_source_alone_is_a_file_and_secrets_are_masked_in_it(self, taking, tmp_path):
        version = vessl.load("taking").version
        source = says("show", "taking", "--source")
        compile(source, "runner.py", "exec")
        assert "class Taking(vessl.RunnerBase):" in source
        assert "Captures" not in source
        assert source == mask_secrets(version.source.rstrip()) + "\n"
        for shown in (source, says("show", "taking")):
            assert "aB3aB3" not in shown

    def test_a_version_without_source_says_so(self):
        vessl.register_model("bare", None, TorchRunner, "m")  # of a package: nothing of it was written in a notebook
        assert fails("show", "bare", "--source")[0] == "bare:1 has no runner.py."

    def test_check_passes_says_so_and_keeps_nothing_unless_told(self, taking, snapshot):
        before = snapshot()
        assert re.fullmatch(
            r"taking:1 passed in a clean process, 1 sample, Python 3\.\d+\.\d+, [\d.]+ m?s\n", says("check", "taking")
        )
        assert snapshot() == before
        assert says("check", "taking:1", "--record").endswith("\nRecorded with taking:1.\n")
        assert snapshot() != before

    def test_check_fails_with_the_words_and_the_result_is_kept(self, taking):
        sour = {"FLAVOUR_OF_TEST": "sour"}
        what, step = fails("check", "taking", environment=sour)
        assert what.startswith("Taking answers the sample otherwise in a clean process than here: ")
        assert "sour" in what
        assert step
        assert "passed" in says("list", "taking")
        assert fails("check", "taking", "--record", environment=sour)[1].endswith(" The result was recorded.")
        assert "failed" in says("list", "taking")
        assert "Check         failed in a clean process" in says("show", "taking")

    def test_a_version_without_examples_cannot_be_checked(self, iris):
        assert fails("check", "iris")[0] == "iris:2 has no examples to be checked with."
        assert "not checked: no sample" in says("show", "iris")


class TestRun:
    def test_it_answers_a_file_and_standard_input_alike(self, iris, tmp_path):
        (tmp_path / "input.json").write_text('{"x": [1, 2.5]}')
        for arguments in (["--input", str(tmp_path / "input.json")], ["--input", "-"], ["--input=-"]):
            answer = says("run", "iris", *arguments, given='{"x": [1, 2.5]}')
            assert json.loads(answer) == {"y": [3, 7.5]} == vessl.load("iris").run({"x": [1, 2.5]})
        assert json.loads(says("run", "iris:champion", "--input", "-", given='{"x": [1]}')) == {"y": [2]}

    def test_text_of_any_language_comes_through(self, iris, tmp_path):
        (tmp_path / "input.json").write_text('{"x": ["größe", "大"]}', encoding="utf-8")
        assert says("run", "iris:1", "--input", str(tmp_path / "input.json")) == '{"y": ["größegröße", "大大"]}\n'

    def test_an_answer_is_written_as_a_server_writes_it(self, iris):
        def refuse(constant):
            pytest.fail(f"{constant} is no JSON")

        answer = says("run", "iris", "--input", "-", given='{"nan": true}')
        assert json.loads(answer, parse_constant=refuse) == [None, None]

    def test_arrays_are_answered_as_lists(self, iris):
        assert json.loads(says("run", "iris", "--input", "-", given='{"array": 3}')) == [0, 1, 2]

    def test_what_the_model_prints_is_no_part_of_the_answer(self, iris):
        done = run("run", "iris", "--input", "-", given='{"noise": "loading..."}')
        assert (done.returncode, done.stdout, done.stderr) == (0, '"quiet"\n', "loading...\n")

    @pytest.mark.parametrize(
        "given", ["{bad", "", "{'x': 1}", '{"x": NaN}', '{"x": 1} 2', "\udcff", b"\xff", b'"\xff"']
    )
    def test_what_is_no_json(self, iris, given):
        given = given.encode("utf-8", "surrogateescape") if isinstance(given, str) else given
        done = run("run", "iris", "--input", "-", given=given)
        assert (done.returncode, done.stdout) == (1, b"")
        what, step = done.stderr.decode().splitlines()
        assert what.startswith("vessl-nb: Standard input is no JSON: ")
        assert step == 'It must hold one JSON value, such as {"x": [1, 2]}.'

    def test_a_file_that_is_no_json_is_named(self, iris, tmp_path):
        (tmp_path / "input.json").write_text("{bad")
        assert fails("run", "iris", "--input", str(tmp_path / "input.json"))[0].startswith(
            f"'{tmp_path}/input.json' is no"
        )

    def test_a_file_that_cannot_be_read(self, iris, tmp_path):
        step = "Check the path, or use - for standard input."
        missing = str(tmp_path / "missing.json")
        assert fails("run", "iris", "--input", missing) == [
            f"'{missing}' cannot be read: No such file or directory.",
            step,
        ]
        assert fails("run", "iris", "--input", str(tmp_path)) == [f"'{tmp_path}' cannot be read: Is a directory.", step]

    def test_a_typed_runner_gets_an_instance_as_from_a_server(self, tmp_path):
        variables = written(tmp_path, TYPED_CELL)
        flowers = [[variables["Flower"](sepal=1.5)]]  # one sample: a list of one
        vessl.register_model("typed", None, variables["Typed"], {}, sample=flowers, check=False)
        assert says("run", "typed", "--input", "-", given='[{"sepal": 2}]') == "4.0\n"
        stored = json.dumps(find_version("typed").examples[0]["input"])
        assert says("run", "typed", "--input", "-", given=stored) == "3.0\n"
        assert "takes: /0/sepal is missing" in fails("run", "typed", "--input", "-", given='[{"petal": 2}]')[0]

    def test_a_stage_that_fails(self, iris):
        assert fails("run", "iris", "--input", "-", given="[]")[0] == "Iris.predict raised ValueError: no x"

    def test_a_reference_to_nothing(self, iris):
        assert fails("run", "iris:9", "--input", "-", given="1")[0] == "iris has no model 9."

    def test_an_interrupt_is_quiet(self, iris):
        process = subprocess.Popen(
            [COMMAND, "run", "iris", "--input", "-"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        with process:
            process.stdin.write(b" " * 100_000)  # more than a pipe holds: it is reading, once this is through
            process.stdin.flush()
            time.sleep(0.3)  # between two reads the signal would be noted, and the next read waited for all the same
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=30) == 130
            assert process.stderr.read() == b""
