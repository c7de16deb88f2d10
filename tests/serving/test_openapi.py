"""The OpenAPI document of a version: held against the official schema, and against what versions really answer."""

from __future__ import annotations

import datetime as dt  # noqa: TC003  # pydantic reads the annotations as the program runs
import json
from typing import Annotated, Literal

import jsonschema
import msgspec
import numpy as np
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openapi_spec_validator import OpenAPIV31SpecValidator

from vessl_nb.manifest import Signature
from vessl_nb.serving.access import OPEN_PATHS
from vessl_nb.serving.openapi import Example, Facts, openapi_of
from vessl_nb.values.encoding import encode_loosely
from vessl_nb.values.schema import schema_of

SCALARS = st.none() | st.booleans() | st.integers(-1000, 1000) | st.floats(allow_nan=True) | st.text(max_size=5)
PLAIN = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
)
IRIS = Facts(
    reference="iris:3",
    runner="IrisRunner",
    description="Tells *irises* apart.",
    tags={"accuracy": 0.97},
    signature=Signature(
        input={
            "type": "object",
            "properties": {"x": {"type": "array", "items": {"type": "number"}}},
            "required": ["x"],
        },
        output={"type": "object", "properties": {"y": {"type": "integer"}}, "required": ["y"]},
    ),
    examples=[Example({"x": [5.1, 3.5]}, {"y": 0})],
)


class Part(pydantic.BaseModel):
    price: float
    made: dt.date


class Node(pydantic.BaseModel):
    value: int
    part: Part | None = None
    children: list[Node] = []


class Cat(pydantic.BaseModel):
    kind: Literal["cat"]


class Dog(pydantic.BaseModel):
    kind: Literal["dog"]


class Owner(pydantic.BaseModel):
    pet: Annotated[Cat | Dog, pydantic.Field(discriminator="kind")]


def check_document(document):
    """Hold a document against the official schema, and every reference in it against the document."""
    OpenAPIV31SpecValidator(document).validate()
    json.dumps(document, allow_nan=False)
    return document


def component(document, name):
    """Give a validator of a component, which finds the others."""
    schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    return jsonschema.Draft202012Validator(schema)


def sent(value):
    """Make of a value what a client gets: what is no number is null in JSON."""
    return msgspec.json.decode(msgspec.json.encode(value))


@pytest.mark.parametrize("has_token", [False, True])
def test_the_document_is_valid_openapi_with_and_without_a_token(has_token):
    document = check_document(openapi_of(msgspec.structs.replace(IRIS, has_token=has_token)))
    assert document["info"]["title"] == "iris:3"
    assert document["info"]["x-tags"] == {"accuracy": 0.97}
    assert set(document["paths"]) == {
        "/predict",
        "/health/live",
        "/health/ready",
        "/metadata",
        "/recent",
        "/metrics",
        "/openapi.json",
        "/docs",
    }


def test_a_version_of_which_nothing_is_known_has_a_valid_document_that_promises_nothing():
    document = check_document(openapi_of(Facts(reference="a:1", runner="R", media_types=["*/*"])))
    for name in ("Input", "Output"):
        assert component(document, name).is_valid({"anything": [None, 1, "x"]})
    assert set(document["paths"]["/predict"]["post"]["responses"]["200"]["content"]) == {"application/json", "*/*"}


def test_the_stored_examples_are_in_it_and_fit_its_schemas():
    document = check_document(openapi_of(IRIS))
    predict = document["paths"]["/predict"]["post"]
    given_example = predict["requestBody"]["content"]["application/json"]["examples"]["example-1"]["value"]
    answer = predict["responses"]["200"]["content"]["application/json"]["examples"]["example-1"]["value"]
    assert (given_example, answer) == ({"x": [5.1, 3.5]}, {"y": 0})
    component(document, "Input").validate(given_example)
    component(document, "Output").validate(answer)


def test_the_input_schema_is_the_one_that_requests_are_held_against():
    document = openapi_of(IRIS)
    assert component(document, "Input").is_valid({"x": [1, 2.5]})
    assert not component(document, "Input").is_valid({"x": [None]})
    assert not component(document, "Input").is_valid({})


@pytest.mark.parametrize("sample", [{"n": 1050, "x": np.array([1.0, np.nan]), "f": float("nan")}])
def test_an_inferred_input_takes_floats_for_integers_and_null_for_nan(sample):
    schema = schema_of([encode_loosely(sample)])
    document = check_document(openapi_of(msgspec.structs.replace(IRIS, signature=Signature(input=schema))))
    taken = component(document, "Input")
    taken.validate(sent({"n": 1050.5, "x": [1.0, None], "f": None}))
    assert not taken.is_valid({"n": None, "x": [1.0], "f": 1})
    assert not taken.is_valid({"n": 1, "x": ["a"], "f": 1})
    assert schema["properties"]["n"] == {"type": "integer"}  # what is stored says what the sample had
    declared = openapi_of(msgspec.structs.replace(IRIS, signature=Signature(input=schema), input_is_declared=True))
    assert not component(declared, "Input").is_valid({"n": 1050.5, "x": [1.0], "f": 1})


def test_an_inferred_answer_may_lack_names_and_have_null_for_nan_and_says_that_it_is_inferred():
    document = openapi_of(IRIS)
    output = component(document, "Output")
    assert all(map(output.is_valid, [{}, {"y": None}, {"y": 0.5}, {"y": 1, "z": "more"}]))
    assert not output.is_valid({"y": "text"})
    assert document["components"]["schemas"]["Output"]["x-inferred"]
    assert "1 example" in document["components"]["schemas"]["Output"]["description"]


def test_a_declared_answer_keeps_what_it_requires_but_its_floats_may_be_null():
    signature = Signature(output=pydantic.TypeAdapter(Node).json_schema(mode="serialization"))
    facts = Facts(reference="a:1", runner="R", signature=signature, output_is_declared=True)
    document = check_document(openapi_of(facts))
    output = component(document, "Output")
    part = {"price": None, "made": "2020-01-01"}
    assert output.is_valid({"value": 1, "part": part, "children": []})
    assert not output.is_valid({"value": None, "part": None, "children": []})
    assert not output.is_valid({"part": None, "children": []})
    assert "x-inferred" not in document["components"]["schemas"]["Output"]


def test_the_definitions_of_pydantic_models_become_components_and_their_references_still_lead_to_them():
    signature = Signature(
        input=pydantic.TypeAdapter(Node).json_schema(),
        output=pydantic.TypeAdapter(list[Owner]).json_schema(mode="serialization"),
    )
    facts = Facts(reference="a:1", runner="R", signature=signature, input_is_declared=True, output_is_declared=True)
    before = msgspec.json.encode(signature)
    document = check_document(openapi_of(facts))
    assert "$defs" not in json.dumps(document)
    tree = component(document, "Input")
    assert tree.is_valid({"value": 1, "children": [{"value": 2}]})
    assert not tree.is_valid({"value": 1, "children": [{"value": 2, "part": {"made": "2020-01-01"}}]})
    assert not component(document, "Output").is_valid([{"pet": {"kind": "cow"}}])
    pet = document["components"]["schemas"]["Output.Owner"]["properties"]["pet"]
    assert pet["discriminator"]["mapping"]["cat"] == "#/components/schemas/Output.Cat"
    assert msgspec.json.encode(signature) == before


def test_names_of_definitions_that_differ_only_by_odd_characters_stay_apart():
    schema = {
        "$defs": {"a/b": {"type": "string"}, "a~b": {"type": "integer"}, "ü": {"$ref": "#/$defs/a~1b"}},
        "prefixItems": [{"$ref": "#/$defs/a~1b"}, {"$ref": "#/$defs/a~0b"}, {"$ref": "#/$defs/%C3%BC"}],
    }
    facts = Facts(reference="a:1", runner="R", signature=Signature(input=schema), input_is_declared=True)
    document = check_document(openapi_of(facts))
    assert component(document, "Input").is_valid(["text", 1, "text"])
    for wrong in (["text", "text"], [1], ["text", 1, 1]):
        assert not component(document, "Input").is_valid(wrong)


def test_a_reference_that_leads_out_of_the_schema_takes_anything_instead_of_breaking_the_document():
    schema = {
        "$id": "https://example.com/mine",
        "properties": {
            "a": {"$ref": "https://example.com/other.json"},
            "b": {"$ref": "#/$defs/Missing"},
            "tree": {"$ref": "#"},
        },
        "required": ["a"],
    }
    facts = Facts(reference="a:1", runner="R", signature=Signature(input=schema), input_is_declared=True)
    document = check_document(openapi_of(facts))
    assert "$id" not in document["components"]["schemas"]["Input"]
    assert component(document, "Input").is_valid({"a": 1, "b": "x"})
    assert not component(document, "Input").is_valid({"a": 1, "tree": {}})


def test_properties_and_examples_that_are_called_like_keywords_are_left_as_they_are():
    schema = {
        "type": "object",
        "properties": {"required": {"type": "string"}, "$ref": {"type": "string"}, "type": {"type": "integer"}},
        "default": {"$ref": "#/$defs/x", "required": [], "type": "integer"},
    }
    facts = Facts(reference="a:1", runner="R", signature=Signature(output=schema))
    output = openapi_of(facts)["components"]["schemas"]["Output"]
    assert output["properties"]["required"] == {"type": "string"}
    assert output["properties"]["$ref"] == {"type": "string"}
    assert output["default"] == schema["default"]


@settings(deadline=None)  # other work may hold it up
@given(st.lists(PLAIN, min_size=1, max_size=3), PLAIN)
def test_whatever_the_examples_are_the_document_is_valid_and_their_answers_fit_it(answers, taken):
    encoded = [encode_loosely(answer) for answer in answers]
    signature = Signature(input=schema_of([encode_loosely(taken)]), output=schema_of(encoded))
    examples = [Example(sent(taken), sent(answer)) for answer in answers]
    document = check_document(openapi_of(Facts(reference="a:1", runner="R", signature=signature, examples=examples)))
    for answer in answers:
        component(document, "Output").validate(sent(answer))


def test_an_array_of_floats_with_a_nan_fits_the_inferred_answer():
    signature = Signature(output=schema_of([encode_loosely(np.array([[1.0, 2.0]]))]))
    document = check_document(openapi_of(Facts(reference="a:1", runner="R", signature=signature)))
    component(document, "Output").validate([[None, 2.0], [1.0]])


def test_bytes_are_raw_bodies_and_base64_in_json():
    bytes_schema = schema_of([encode_loosely(b"abc")])
    facts = Facts(
        reference="a:1",
        runner="R",
        signature=Signature(input=bytes_schema, output=bytes_schema),
        examples=[Example("YWJj", "YWJj")],
        media_types=["application/octet-stream", "application/json"],
    )
    predict = check_document(openapi_of(facts))["paths"]["/predict"]["post"]
    assert predict["requestBody"]["content"]["application/octet-stream"] == {}
    assert predict["requestBody"]["content"]["application/json"]["examples"]["example-1"]["value"] == "YWJj"
    assert "application/json" not in predict["responses"]["200"]["content"]


def test_declared_bytes_are_said_to_be_base64_where_they_are_json():
    signature = Signature(input=pydantic.TypeAdapter(bytes).json_schema())
    document = openapi_of(Facts(reference="a:1", runner="R", signature=signature, input_is_declared=True))
    assert document["components"]["schemas"]["Input"]["contentEncoding"] == "base64"


def test_an_example_that_would_make_the_page_slow_is_left_out_and_counted():
    facts = msgspec.structs.replace(IRIS, examples=[Example({"x": [0.5] * 100_000}, {"y": 1}), *IRIS.examples])
    document = check_document(openapi_of(facts))
    body = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    assert (list(body["examples"]), body["x-left-out"]) == (["example-2"], 1)


def test_many_examples_do_not_make_the_document_large_together():
    facts = msgspec.structs.replace(IRIS, examples=[Example({"x": [0.5] * 5000}, {"y": 1})] * 200)
    assert len(json.dumps(check_document(openapi_of(facts)))) < 300_000


def test_every_refusal_is_the_shared_problem_document_and_a_full_queue_says_when_to_try_again():
    document = openapi_of(IRIS)
    responses = document["paths"]["/predict"]["post"]["responses"]
    assert {"400", "413", "415", "422", "500", "503", "504"} <= set(responses)
    assert "401" not in responses
    for status, response in responses.items():
        if status != "200":
            schema = response["content"]["application/problem+json"]["schema"]
            assert schema == {"$ref": "#/components/schemas/Problem"}
    assert "Retry-After" in responses["503"]["headers"]
    problem = {"type": "about:blank", "title": "x", "status": 500, "stage": "predict", "id": "a"}
    assert component(document, "Problem").is_valid(problem)
    assert not component(document, "Problem").is_valid({"stage": "elsewhere", **problem, "status": "500"})


def test_a_token_is_asked_for_everywhere_but_where_servers_are_watched():
    document = openapi_of(msgspec.structs.replace(IRIS, has_token=True))
    for path, methods in document["paths"].items():
        [operation] = methods.values()
        is_open = path in OPEN_PATHS
        assert ("security" in operation, "401" in operation["responses"]) == (not is_open, not is_open)
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"


def test_the_address_is_relative_so_that_it_holds_behind_a_proxy():
    assert openapi_of(IRIS)["servers"] == [{"url": "."}]
