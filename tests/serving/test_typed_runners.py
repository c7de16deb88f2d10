"""Runners that declare their types, registered with samples, checked and served."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import enum
import json
import os
import subprocess
import sys
import textwrap
from typing import Any, NamedTuple

import numpy as np
import pydantic
import pytest

from vessl_nb.capture.instances import decode_input
from vessl_nb.capture.signature import infer_signature
from vessl_nb.errors import CannotServe
from vessl_nb.runner import RunnerBase
from vessl_nb.serving.answering import make_writer
from vessl_nb.serving.problems import Problem
from vessl_nb.serving.reading import make_reader
from vessl_nb.serving.trying import try_example
from vessl_nb.values.encoding import encode, encode_loosely
from vessl_nb.values.schema_seen import BASE64

JSON = "application/json"


class Colour(enum.Enum):
    RED = "r"


class Size(NamedTuple):
    width: float
    height: float


@dataclasses.dataclass(frozen=True)
class Petal:
    size: Size
    colour: Colour = Colour.RED


class Flower(pydantic.BaseModel):
    petals: list[Petal]
    name: str = pydantic.Field("iris", alias="Name")


class Wild(Flower):
    found: dt.date


class Scored(pydantic.BaseModel):
    score: float = pydantic.Field(alias="Score")


class OfFlowers(RunnerBase[Flower, Scored]):
    @staticmethod
    def predict(model: Any, data: Any) -> Any:
        return Scored(Score=sum(petal.size.width for petal in data.petals))


class Blob(pydantic.BaseModel):
    when: dt.datetime
    blob: bytes = b""
    parts: list[bytes] = []


class OfBlobs(RunnerBase[Blob, Any]):
    pass


class Row(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)
    x: np.ndarray
    n: int = 7


class OfRows(RunnerBase[Row, Any]):
    pass


def reader_of(runner, *samples):
    return make_reader(runner, None, [encode(sample) for sample in samples])


def pointers_of(read, body):
    with pytest.raises(Problem) as caught:
        read(JSON, body)
    assert caught.value.status == 422
    return [error["pointer"] for error in json.loads(caught.value.document())["errors"]]


@pytest.mark.parametrize(
    "sample",
    [
        Flower(petals=[Petal(Size(1, 2))], Name="rose"),
        Wild(petals=[], found=dt.date(2026, 1, 1)),
    ],
)
def test_a_stored_sample_of_a_declared_class_is_an_instance_of_it_again(sample):
    again = decode_input(OfFlowers, encode(sample))
    assert again == sample
    assert type(again) is type(sample)


def test_a_stored_sample_of_another_class_stays_plain_data():
    assert decode_input(OfFlowers, encode(Scored(Score=1.0))) == {"score": 1.0}
    assert decode_input(RunnerBase, encode(Petal(Size(1, 2)))) == {"size": (1, 2), "colour": "r"}


class Halving(pydantic.BaseModel):
    x: float

    @pydantic.field_validator("x")
    @classmethod
    def halve(cls, value: float) -> float:
        return value / 2


@dataclasses.dataclass
class Halved:
    x: float

    def __post_init__(self) -> None:
        self.x /= 2
        self.cache: dict[str, float] = {}


class OfHalves(RunnerBase[Halving | Halved, Any]):
    pass


def test_what_a_class_makes_of_its_fields_is_not_made_a_second_time():
    assert decode_input(OfHalves, encode(Halving(x=4))).x == 2
    again = decode_input(OfHalves, encode(Halved(4)))
    assert (again.x, again.cache) == (2, {})


def test_a_typed_runner_answers_its_examples_and_they_are_shown_as_clients_send_and_get_them():
    sample = Flower(petals=[Petal(Size(1, 2))], Name="rose")
    example = {"input": encode(sample), "output": encode_loosely(Scored(Score=1.0))}
    tried = try_example(OfFlowers, None, make_writer(OfFlowers), example, "its example")
    assert tried.problem == ""
    [(given, got)] = tried.examples
    assert json.loads(bytes(got)) == {"Score": 1.0}
    assert json.loads(bytes(given)) == {"petals": [{"size": [1.0, 2.0], "colour": "r"}], "Name": "rose"}
    assert reader_of(OfFlowers, sample)(JSON, bytes(given)) == sample


@pytest.mark.parametrize("written", [base64.b64encode, base64.urlsafe_b64encode])
def test_bytes_in_a_model_are_base64_of_either_alphabet(written):
    content = b"\xff\xef\xbe\x00"
    sent = written(content).decode()
    body = json.dumps({"when": "2026-01-01T00:00:00", "blob": sent, "parts": [sent]}).encode()
    blob = reader_of(OfBlobs)(JSON, body)
    assert (blob.blob, blob.parts) == (content, [content])


def test_bytes_that_are_no_base64_are_422_with_the_field():
    assert pointers_of(reader_of(OfBlobs), b'{"when": "2026-01-01T00:00:00", "blob": "#"}') == ["/blob"]


class Around(pydantic.BaseModel):
    type: list[Blob]  # which pydantic's own schemas have a meaning for
    default: bytes = b""


class OfAround(RunnerBase[Around, Around]):
    pass


def test_bytes_deep_in_a_model_are_base64_whatever_the_fields_are_called():
    body = b'{"type": [{"when": "2026-01-01T00:00:00", "blob": "YWJj"}], "default": "YWJj"}'
    around = reader_of(OfAround)(JSON, body)
    assert (around.type[0].blob, around.default) == (b"abc", b"abc")
    assert json.loads(make_writer(OfAround)(around)[0])["type"][0]["blob"] == "YWJj"


class InWords(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(val_json_bytes="utf8")
    blob: bytes


class OfWords(RunnerBase[InWords, Any]):
    pass


def test_what_a_model_itself_says_of_bytes_is_kept():
    assert reader_of(OfWords)(JSON, b'{"blob": "YWJj"}').blob == b"YWJj"
    assert infer_signature(OfWords, []).input["properties"]["blob"]["format"] == "binary"


def test_the_schema_says_that_bytes_are_base64():
    class Runner(RunnerBase[Blob, Blob]):
        pass

    signature = infer_signature(Runner, [])
    for schema in (signature.input, signature.output):
        assert schema["properties"]["parts"]["items"] == BASE64
        assert schema["properties"]["blob"].items() >= BASE64.items()


def test_plain_data_has_the_types_that_the_sample_had():
    then = dt.datetime(2021, 1, 1, tzinfo=dt.UTC)
    read = reader_of(OfBlobs, {"when": then, "blob": b"abc"})
    body = json.dumps({"when": then.isoformat(), "blob": "eHl6"}).encode()
    assert read(JSON, body) == {"when": then, "blob": b"xyz"}
    assert read(JSON, json.dumps({"when": then.isoformat()}).encode()) == {"when": then}
    # A number is a time to pydantic, and none to the runner.
    assert pointers_of(read, b'{"when": 5}') == ["/when"]


def test_a_model_with_an_array_is_made_as_the_sample_was():
    row = reader_of(OfRows, Row(x=np.zeros(2, "f4")))(JSON, b'{"x": [1.5, null]}')
    assert type(row) is Row
    assert row.x.dtype == "f4"
    assert np.isnan(row.x[1])
    assert row.n == 7


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        (b"{}", ["/x"]),
        (b'{"x": 1.5}', ["/x"]),
        (b'{"x": ["a"]}', ["/x"]),
        (b'{"x": [1], "n": "a"}', ["/n"]),
        (b'{"x": null}', ["/x"]),
        (b"[1]", [""]),
    ],
)
def test_what_does_not_fit_a_model_with_an_array_is_422_with_the_place(body, pointers):
    assert pointers_of(reader_of(OfRows, Row(x=np.zeros(2))), body) == pointers


def test_a_model_with_an_array_cannot_be_served_without_a_sample():
    with pytest.raises(CannotServe, match="JSON does not fit") as caught:
        reader_of(OfRows)
    assert "sample=" in caught.value.next_step


WITHOUT_PYDANTIC = """
import dataclasses, enum, json, sys
from typing import Any, NamedTuple
import numpy as np
from vessl_nb.runner import RunnerBase
from vessl_nb.serving.answering import make_writer
from vessl_nb.serving.problems import Problem
from vessl_nb.serving.reading import make_reader
from vessl_nb.values.encoding import encode

class Colour(enum.Enum):
    RED = "r"

class Size(NamedTuple):
    width: float
    height: float

@dataclasses.dataclass
class Petal:
    sizes: list[Size]
    colour: Colour
    x: np.ndarray
    name: str | None = "iris"

class Runner(RunnerBase[Petal, Any]):
    pass

sample = Petal([Size(1, 2)], Colour.RED, np.zeros(1))
for examples in ([encode(sample)], [encode({"sizes": [[1, 2]], "colour": "r", "x": np.zeros(1)})]):
    read = make_reader(Runner, None, examples)
    print(read("application/json", b'{"sizes": [[3, 4]], "colour": "r", "x": [5], "name": null}'))
    for body in (b'{"sizes": [[3, "a"]], "colour": "r", "x": [5]}', b'{"sizes": [], "x": [5]}', b"[]"):
        try:
            read("application/json", body)
        except Problem as problem:
            print(problem.status, json.loads(problem.document())["errors"][0]["pointer"])
assert "pydantic" not in sys.modules
"""


def test_a_declared_dataclass_is_made_where_nobody_imports_pydantic():
    ran = subprocess.run([sys.executable, "-c", WITHOUT_PYDANTIC], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == [
        "Petal(sizes=[Size(width=3.0, height=4.0)], colour=<Colour.RED: 'r'>, x=array([5.]), name=None)",
        "422 /sizes/0/1",
        "422 /colour",
        "422 ",
        "{'sizes': [[3, 4]], 'colour': 'r', 'x': array([5.]), 'name': None}",
        "422 /sizes/0/1",
        "422 /colour",
        "422 ",
    ]


SERVED = """
import dataclasses, json
import vessl_nb as vessl
from pydantic import BaseModel, Field

class In(BaseModel):
    x: list[float]

class Out(BaseModel):
    y: float = Field(alias="Y")

class Typed(vessl.RunnerBase[In, Out]):
    @staticmethod
    def predict(model, data):
        return Out(Y=sum(data.x))

@dataclasses.dataclass
class Point:
    x: float

class OfPoints(vessl.RunnerBase[Point, dict]):
    @staticmethod
    def predict(model, data):
        return {"y": data.x}

for runner, sample, sent in ((Typed, In(x=[1, 2]), {"x": [3, 4]}), (OfPoints, Point(1), {"x": 2})):
    version = vessl.register_model(runner.__name__.lower(), None, runner, 1, sample=sample)
    with vessl.serve(version.reference) as server:
        document = json.loads(server.ask("GET", "/openapi.json").body)
        post = document["paths"]["/predict"]["post"]
        contents = post["requestBody"]["content"], post["responses"]["200"]["content"]
        shown = [[each["value"] for each in content["application/json"]["examples"].values()] for content in contents]
        print(json.dumps([version.check.passed, server.remark, shown, server.predict(sent)]))
"""


def test_typed_runners_are_registered_with_samples_checked_and_served_with_their_examples(tmp_path):
    cells = tmp_path / "cells.py"
    cells.write_text(textwrap.dedent(SERVED))
    environment = os.environ | {"VESSL_NB_REGISTRY": str(tmp_path / "registry")}
    ran = subprocess.run([sys.executable, cells], capture_output=True, text=True, check=False, env=environment)
    assert ran.returncode == 0, ran.stderr
    typed, points = map(json.loads, ran.stdout.splitlines())
    assert typed == [True, "", [[{"x": [1.0, 2.0]}], [{"Y": 3.0}]], {"Y": 7.0}]
    assert points == [True, "", [[{"x": 1}], [{"y": 1}]], {"y": 2.0}]
