"""However much there is to show, what a notebook saves of it stays small: HTML under 60 KB, a widget's state under 40 KB."""

from __future__ import annotations

import json
import sys

import numpy as np
import pandas as pd
import pytest
from many_versions import write_versions

import vessl_nb as vessl
from vessl_nb.faces.belongings import BelongingsFace, belongings_html
from vessl_nb.faces.captures import CaptureFace
from vessl_nb.faces.check import CheckFace, check_html

MOST_HTML = 60_000
MOST_STATE = 40_000
LONG = "a sentence with <b>markup</b> & 'quotes' " * 200
WORDS = "λ" * 5_000


class Plain(vessl.RunnerBase):
    @staticmethod
    def preprocess_data(data):
        return data

    @staticmethod
    def predict(model, data):
        return data

    @staticmethod
    def postprocess_data(data):
        return data


class Failing(Plain):
    @staticmethod
    def predict(model, data):
        raise ValueError(LONG * 10)


def nest(depth, width):
    return {f"key {place} {WORDS[:200]}": nest(depth - 1, width) if depth else LONG for place in range(width)}


SAMPLES = {
    "nested JSON": nest(5, 5),
    "a long list": list(range(1_000_000)),
    "records": [{f"{WORDS[:100]} {column}": LONG for column in range(200)} for _ in range(500)],
    "a wide frame": pd.DataFrame({f"{WORDS[:300]} {column}": [LONG] * 100 for column in range(500)}),
    "a frame of long index": pd.DataFrame({"x": [LONG] * 50}, index=[f"{LONG} {row}" for row in range(50)]),
    "a picture": np.random.default_rng(0).integers(0, 255, (4_000, 3_000, 3), dtype=np.uint8),
    "numbers": np.random.default_rng(0).normal(size=(2_000, 2_000)),
    "probabilities": {f"{WORDS[:300]} {place}": 1 / 1_000 for place in range(1_000)},
    "a text": LONG * 1_000,
    "texts with markup": ["<&>\"'" * 1_000] * 1_000,
}


def size_of(html):
    return len(html.encode())


def state_of(widget):
    """Add up the states of a widget and all widgets in it, as a notebook would save them, the largest first."""
    import ipywidgets

    seen, waiting = {}, [widget]
    while waiting:
        one = waiting.pop()
        if one.model_id in seen:
            continue
        state = one.get_state()
        seen[one.model_id] = len(json.dumps(state).encode())
        held = [one, *getattr(one, "children", ()), getattr(one, "layout", None), getattr(one, "style", None)]
        waiting += [other for other in held if isinstance(other, ipywidgets.Widget)]
    return max(seen.values())


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_preview_stays_small(sample):
    assert size_of(vessl.preview(Plain, SAMPLES[sample])._repr_html_()) < MOST_HTML


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_failing_preview_stays_small(sample):
    assert size_of(vessl.preview(Failing, SAMPLES[sample])._repr_html_()) < MOST_HTML


@pytest.mark.parametrize("runner", [Plain, Failing])
def test_a_preview_of_many_samples_stays_small(runner):
    shown = vessl.preview(runner, samples=[*SAMPLES.values()] * 20)
    assert size_of(shown._repr_html_()) < MOST_HTML


@pytest.fixture(scope="module")
def captures():
    return tuple(
        CaptureFace(
            *(f"{WORDS[:200]}{place}", f"{LONG}.{WORDS}", 10**9 + place, "global", WORDS),
            users=(LONG, WORDS, LONG, WORDS),
            secret=LONG,
        )
        for place in range(300)
    )


def test_what_a_class_with_300_captures_takes_along_stays_small(captures):
    pairs = tuple((f"{WORDS[:300]}{place}", LONG) for place in range(300))
    sizes = tuple((f"{LONG}{place}.py", 10**9) for place in range(300))
    face = BelongingsFace(WORDS, captures, sizes, pairs, pairs, pairs, (LONG,) * 300)
    assert size_of(belongings_html(face)) < MOST_HTML


def register_much(monkeypatch):
    """Register a class that takes 300 names along, with all that a version can have much of."""
    names = {f"name_{place:03}_{'n' * 60}": f"{place} {'v' * 2_000}" for place in range(300)}
    code = "\n".join(f"        {name}" for name in names)
    source = f"class Much(vessl.RunnerBase):\n    @staticmethod\n    def predict(model, data):\n{code}\n        return data\n"
    main = sys.modules["__main__"]
    for name, value in {**names, "vessl": vessl}.items():
        monkeypatch.setattr(main, name, value, raising=False)
    scope = vars(main)
    exec(compile(source, "<cell>", "exec"), scope)
    runner = scope.pop("Much")
    return runner, vessl.register_model(
        *("much", None, runner, {"weights": 1}),
        [f"package-{place}>={place}" for place in range(300)],
        sample={f"field {place}": LONG for place in range(300)},
        check=False,
        tags={f"tag-{place}": WORDS[:200] for place in range(100)},
        aliases=[f"alias-{place}-{'a' * 60}" for place in range(50)],
        description=LONG * 100,
        env=[f"VARIABLE_{place}" for place in range(300)],
    )


@pytest.fixture
def much(monkeypatch):
    with pytest.warns(UserWarning, match="is declared, but is not installed here"):
        return register_much(monkeypatch)


def test_a_version_stays_small(much):
    _, version = much
    assert size_of(version._repr_html_()) < MOST_HTML


def test_what_a_runner_takes_along_stays_small(much):
    runner, _ = much
    assert size_of(vessl.captures(runner)._repr_html_()) < MOST_HTML


def test_a_form_that_shows_what_they_are_stays_small(much, monkeypatch):
    runner, version = much
    monkeypatch.setattr(sys.modules["__main__"], "Much", runner, raising=False)
    form = vessl.register_form(repository="much", runner="Much", model="1")
    form._outcome.end("Registered.", version._repr_html_())
    assert size_of(form._repr_html_()) < MOST_HTML
    assert state_of(form) < MOST_STATE


def test_a_check_stays_small():
    assert size_of(check_html("iris:3", CheckFace(False, 1_000, (LONG,) * 1_000, 1.0, WORDS))) < MOST_HTML


def test_a_table_of_10000_versions_stays_small_live_too():
    write_versions("iris", 10_000)
    table = vessl.versions_table("iris")
    assert size_of(table._repr_mimebundle_()[0]["text/html"]) < MOST_HTML
    table._ask({"size": 100})
    assert state_of(table) < MOST_STATE


@pytest.mark.filterwarnings("ignore:.*is declared, but is not installed here:UserWarning")
def test_a_table_of_versions_that_say_much_stays_small_live_too(much):
    _, version = much
    for _ in range(24):
        vessl.register_model(
            *("much", None, Plain, 1),
            [f"package-{place}-{'p' * 200}" for place in range(300)],
            check=False,
            tags={f"tag-{'t' * 100}-{place}": WORDS for place in range(100)},
            description=LONG * 10,
        )
    table = vessl.versions_table("much")
    assert size_of(table._repr_mimebundle_()[0]["text/html"]) < MOST_HTML
    table._ask({"size": 100})
    table._select({"keys": [version.reference]})
    assert state_of(table) < MOST_STATE
