"""A server's panel, asked as its front end asks, and the pieces that it is made of."""

from __future__ import annotations

import json
import re
import threading
import time
from operator import itemgetter
from types import SimpleNamespace

import jsonschema
import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ipywidgets import Widget
from small_runners import Differs, Scale

import vessl_nb as vessl
from vessl_nb.faces.server import ServerFace, server_html, server_text
from vessl_nb.notebook.serve_answer import MOST_SHOWN, describe_answer
from vessl_nb.notebook.serve_numbers import numbers_of
from vessl_nb.notebook.serve_panel import panel_of
from vessl_nb.notebook.serve_sketch import sketch_of
from vessl_nb.notebook.serve_state import describe_server
from vessl_nb.serving.launch import Answered, stop_all
from vessl_nb.serving.metrics import Metrics
from vessl_nb.serving.proxied import proxied_path
from vessl_nb.serving.shown import Calling, read_calling, write_calls
from vessl_nb.values.encoding import encode_loosely
from vessl_nb.values.schema import schema_of

LARGEST_STATE = 40_000  # bytes: what a saved notebook may hold of it
SECRET = "it's a $ecret `of` mine"


def serve_scale(**options):
    vessl.register_model("iris", None, Scale, 2.0, sample={"x": [0.0, 1.5]}, aliases=["champion"], check=False)
    return vessl.serve("iris:champion", **options)


@pytest.fixture
def make_panel():
    def make(**options):
        panel = panel_of(serve_scale(**options))
        panel.told = []
        panel.send = lambda content, buffers=None: panel.told.append((content, buffers))
        return panel

    yield make
    Widget.close_all()
    stop_all()


def ask(panel, do, *, buffers=(), **what):
    """Send what the front end would send, by the same way in."""
    panel._handle_custom_msg({"do": do, **what}, list(buffers))


def wait_for(panel, kind):
    """Give the first message of a kind, once it is there."""
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        for content, buffers in panel.told:
            if kind in content:
                return content[kind], buffers
        time.sleep(0.02)
    raise AssertionError(f"no {kind} among {panel.told}")


def wait_until(is_so):
    deadline = time.monotonic() + 15
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class TestPanel:
    def test_it_shows_what_is_served_and_is_small(self, make_panel):
        panel = make_panel()
        shown = panel.shown
        assert (shown["state"], shown["words"]) == ("answers", "Answers, with iris:1")
        assert shown["url"] == panel.server.url
        assert [json.loads(text) for text in shown["form"]["examples"]] == [{"x": [0.0, 1.5]}]
        assert (shown["form"]["json"], shown["form"]["raw"]) == (True, [])
        assert len(json.dumps(panel.get_state(), default=repr).encode()) < LARGEST_STATE
        assert panel_of(panel.server) is panel

    def test_no_token_is_in_its_state_nor_in_its_faces(self, make_panel):
        panel = make_panel(token=SECRET)
        faces, _ = panel._repr_mimebundle_()
        for text in (json.dumps(panel.get_state(), default=repr), *faces.values()):
            assert SECRET not in text
            assert json.dumps(SECRET)[1:-1] not in text
        assert "••••••••" in panel.shown["calls"]["curl"]
        ask(panel, "reveal")
        revealed, _ = wait_for(panel, "revealed")
        assert json.dumps(f"Bearer {SECRET}") in revealed["Python"]
        ask(panel, "copy", what="curl")
        assert wait_for(panel, "copy")[0] == revealed["curl"]

    def test_a_request_is_answered_while_the_kernel_goes_on(self, make_panel):
        panel = make_panel()
        ask(panel, "send", kind="application/json", body='{"x": [1.5, 1.0]}')
        assert "answer" not in [kind for content, _ in panel.told for kind in content]
        answer, _ = wait_for(panel, "answer")
        assert answer["text"] == "[3.0, 2.0]"
        assert answer["status"].startswith("200 OK, ")
        assert answer["status"].endswith(", from iris:1")

    def test_what_takes_too_long_is_said_after_the_servers_time_limit(self, make_panel):
        panel = make_panel(timeout=0.3)
        ask(panel, "send", kind="application/json", body='{"x": [3.0, 1.0]}')
        answer, _ = wait_for(panel, "answer")
        assert answer["status"].startswith("504 Gateway Timeout")
        assert answer["failed"]

    def test_a_file_is_sent_as_it_is(self, make_panel):
        panel = make_panel()
        ask(panel, "send", kind="application/json", buffers=[memoryview(b'{"x": [6.0]}')])
        assert wait_for(panel, "answer")[0]["text"] == "[12.0]"

    def test_it_is_stopped_and_started_again_where_it_was(self, make_panel):
        panel = make_panel(token=SECRET)
        before = panel.server.url
        ask(panel, "stop")
        wait_until(lambda: panel.shown["state"] == "stopped")
        wait_until(lambda: panel.said)
        assert panel.said["text"].startswith("iris:champion is stopped.")
        assert (panel.shown["form"], panel.shown["calls"]) == (None, {})
        ask(panel, "send", kind="application/json", body="{}")
        assert "is stopped" in wait_for(panel, "answer")[0]["problem"]
        ask(panel, "start")
        wait_until(lambda: panel.shown["state"] == "answers")
        assert (panel.server.url, panel.server.token) == (before, SECRET)
        assert panel.server.predict({"x": [7.0]}) == [14.0]

    def test_where_it_cannot_be_started_again_it_is_said_and_kept(self, make_panel):
        panel = make_panel()
        panel.server.stop()
        vessl.delete_model("iris", 1)
        ask(panel, "start")
        wait_until(lambda: panel.said)
        assert panel.said["failed"]
        assert "iris" in panel.said["text"]
        assert panel.shown["state"] == "stopped"
        assert len(panel.errors) == 1

    def test_its_numbers_come_while_it_is_looked_at_and_no_longer(self, make_panel):
        panel = make_panel()
        ask(panel, "hello", view="a")
        ask(panel, "hello", view="b")
        wait_for(panel, "numbers")
        ask(panel, "bye", view="a")
        assert panel._watch._stopped.is_set() is False
        ask(panel, "bye", view="b")
        wait_until(lambda: not [thread for thread in threading.enumerate() if thread.name == "vessl_nb versions"])
        time.sleep(0.6)
        panel.told.clear()
        time.sleep(2.5)
        assert panel.told == []
        assert not [thread for thread in threading.enumerate() if thread.name == "vessl_nb versions"]

    def test_it_is_asked_every_two_seconds_and_not_more(self, make_panel):
        panel = make_panel()
        ask(panel, "hello", view="a")
        wait_for(panel, "numbers")
        time.sleep(4.2)
        ask(panel, "bye", view="a")
        assert 2 <= sum("numbers" in content for content, _ in panel.told) <= 4

    def test_the_end_of_a_server_that_ends_by_itself_is_seen_and_its_log_kept(self, make_panel):
        panel = make_panel()
        ask(panel, "hello", view="a")
        panel.server._log.write_text("out of memory\n")
        panel.server._process.kill()
        wait_until(lambda: panel.shown["state"] == "stopped")
        wait_until(lambda: panel.said)
        assert panel.said["text"].startswith("It ended by itself.")
        ask(panel, "log", open=True, view="a")
        assert wait_for(panel, "log")[0] == "out of memory"

    def test_one_that_was_stopped_elsewhere_is_seen_to_be(self, make_panel):
        panel = make_panel()
        ask(panel, "hello", view="a")
        panel.server.stop()
        wait_until(lambda: panel.shown["state"] == "stopped")
        assert not panel.said

    def test_a_version_that_does_not_take_over_is_named_and_why(self, make_panel):
        panel = make_panel()
        ask(panel, "hello", view="a")
        vessl.register_model("iris", None, Differs, 0, sample={"x": 1}, aliases=["champion"], check=False)
        wait_until(lambda: len(panel.shown["facts"]) > 1)
        [_, (title, words, is_wrong)] = panel.shown["facts"]
        assert (title, is_wrong) == ("Refused", True)
        assert re.match(r"iris:2 did not take over at 20\d\d-\d\d-\d\d \d\d:\d\d UTC\. It answers its example ", words)
        assert panel.shown["words"] == "Answers, with iris:1"
        assert "Refused   iris:2: It answers its example" in repr(panel)

    def test_what_is_no_message_of_ours_is_kept_as_an_error(self, make_panel):
        panel = make_panel()
        ask(panel, "dance")
        assert isinstance(panel.errors[0], KeyError)


class TestAnswer:
    def test_json_is_laid_out_and_long_answers_are_cut(self):
        said, files = describe_answer(Answered(200, "application/json", b'{"a":[1,2]}', "iris:1", 0.0012))
        assert said == {"status": "200 OK, 1.2 ms, from iris:1", "failed": False, "text": '{"a": [1, 2]}'}
        assert files == []
        said, _ = describe_answer(Answered(200, "application/json", b"[%s1]" % (b"1," * 50_000), "", 0.1))
        assert len(said["text"]) < MOST_SHOWN + 40
        assert said["text"].endswith("more characters")

    def test_a_picture_is_shown_and_other_files_can_be_saved(self):
        said, files = describe_answer(Answered(200, "image/png", b"\x89PNG", "iris:1", 0.1))
        assert (said["picture"], said["note"], files) == (True, "4 B of image/png", [b"\x89PNG"])
        said, files = describe_answer(Answered(200, "image/svg+xml", b"<svg/>", "iris:1", 0.1))
        assert (said["picture"], files) == (False, [b"<svg/>"])
        said, files = describe_answer(Answered(200, "application/pdf", bytes(6_000_000), "iris:1", 0.1))
        assert ("too large" in said["note"], files) == (True, [])

    def test_a_problem_names_its_stage_its_id_and_its_fields(self):
        problem = {"title": "It failed", "detail": "It failed in predict.", "stage": "predict", "id": "abc"}
        said, _ = describe_answer(Answered(500, "application/problem+json", json.dumps(problem).encode(), "", 0.1))
        assert (said["failed"], said["problem"]) == (True, "It failed: It failed in predict. Its id is abc.")
        problem = {"title": "Does not fit", "detail": "/x: no", "errors": [{"pointer": "", "detail": "no"}]}
        said, _ = describe_answer(Answered(422, "application/problem+json", json.dumps(problem).encode(), "", 0.1))
        assert (said["problem"], said["fields"]) == ("Does not fit", [["the whole", "no"]])

    @given(
        st.integers(100, 599),
        st.sampled_from(["application/json", "application/problem+json", "text/x", ""]),
        st.binary(),
    )
    def test_whatever_comes_is_described(self, status, kind, body):
        said, files = describe_answer(Answered(status, kind, body, "", 0.0))
        json.dumps(said)
        assert said["status"].startswith(str(status))
        assert len(files) <= 1


class TestNumbers:
    def test_they_say_how_many_failed_and_how_fast_each_stage_was(self):
        now = 100.0
        metrics = Metrics(lambda: now)
        for _ in range(30):
            metrics.answered(200, 0.004, (0.001, 0.002, 0.0005))
        metrics.failed(500, "predict", 0.004)
        metrics.failed(422, "", 0.0)
        now = 101.5
        rows = numbers_of(msgspec.to_builtins(metrics.recent()))["rows"]
        assert [row["name"] for row in rows] == [
            "requests", "the whole request", "preprocess_data", "predict", "postprocess_data",
        ]  # fmt: skip
        assert rows[0]["values"] == ["32 in all", "1 failed, 1 refused"]
        assert rows[0]["failed"]
        assert rows[0]["line"] == [0] * 59 + [100]
        heights = [row["line"][-1] for row in rows[1:]]
        assert heights[0] == 100 > heights[2] > heights[1] > heights[3] > 0
        assert rows[3]["line"][:-1] == [None] * 59

    def test_a_server_that_nobody_asked_has_only_its_rate(self):
        rows = numbers_of(msgspec.to_builtins(Metrics(lambda: 5.0).recent()))["rows"]
        assert [row["values"] for row in rows] == [["0 in all", "none failed"]]
        assert rows[0]["line"] == [0] * 60


SCHEMAS = st.recursive(
    st.sampled_from([{"type": kind} for kind in ("number", "integer", "string", "boolean", "null")]),
    lambda inner: (
        st.builds(
            lambda members: {"type": "object", "properties": members, "required": list(members)},
            st.dictionaries(st.text("abc", min_size=1, max_size=3), inner, max_size=3),
        )
        | st.builds(lambda items, least: {"type": "array", "items": items, "minItems": least}, inner, st.integers(0, 3))
        | st.builds(lambda first, second: {"anyOf": [first, second]}, inner, inner)
    ),
    max_leaves=6,
)


class TestSketch:
    @given(SCHEMAS)
    def test_what_is_filled_in_fits_what_the_version_takes(self, schema):
        jsonschema.validate(sketch_of(schema), schema)

    def test_definitions_defaults_and_shapes_are_followed(self):
        schema = {
            "$defs": {"Glass": {"type": "object", "properties": {"alcohol": {"type": "number", "default": 13.2}}}},
            "type": "object",
            "properties": {
                "glass": {"$ref": "#/$defs/Glass"},
                "kind": {"enum": ["red", "white"]},
                "pixels": {
                    "type": "array",
                    "items": {"type": "array", "items": {"type": "integer"}},
                    "x-shape": [None, 2],
                },
            },
        }
        assert sketch_of(schema) == {"glass": {"alcohol": 13.2}, "kind": "red", "pixels": [[0, 0]]}

    @pytest.mark.parametrize("shape", [[784], [28, 28]])
    def test_a_known_shape_is_not_cut(self, shape):
        schema = schema_of([encode_loosely(np.zeros(shape))])
        assert np.array(sketch_of(schema)).shape == tuple(shape)
        jsonschema.validate(
            sketch_of({"type": "array", "items": {"type": "number"}, "minItems": 100}), {"minItems": 100}
        )

    @pytest.mark.parametrize(
        "schema",
        [
            {"type": "array", "x-shape": [3, 1000, 1000]},
            {"type": "array", "x-shape": [10**12]},
            {"type": "object", "properties": {"x": {"type": "array", "items": {}, "minItems": 10**9}}},
        ],
    )
    def test_what_nobody_would_fill_in_is_not_offered(self, schema):
        assert sketch_of(schema) is None

    def test_the_form_says_what_it_left_out_though_it_offers_a_sketch(self):
        def form_of(example):
            calling = Calling(
                url="", has_token=False, media_types=["application/json"], examples=[example], left_out=0, answer_file="",
                input_schema=schema_of([encode_loosely(np.array(example))]),
            )  # fmt: skip
            metadata = {
                "version": {"reference": "m:1"}, "following": None, "server": {"remark": "", "restarts": 0},
            }  # fmt: skip
            server = SimpleNamespace(reference="m", version="m:1", token="", url="http://127.0.0.1:1")
            return describe_server(server, metadata, calling, "")["form"]

        [sketch], left_out = itemgetter("examples", "leftOut")(form_of([0.123456789012345] * 784))
        assert (json.loads(sketch), left_out) == ([0.0] * 784, 1)
        assert itemgetter("examples", "leftOut")(form_of([0.123456789012345] * 100_000)) == ([], 1)
        assert form_of([1.0])["leftOut"] == 0

    def test_a_schema_that_holds_itself_ends(self):
        schema = {"$defs": {"T": {"type": "array", "items": {"$ref": "#/$defs/T"}}}, "$ref": "#/$defs/T"}
        assert isinstance(sketch_of(schema), list)


class TestCalls:
    @given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1))
    def test_any_token_arrives_as_it_is(self, token):
        import shlex

        calling = Calling(
            url="http://127.0.0.1:8000", has_token=True, media_types=["application/json"], examples=[{"x": 1}],
            left_out=0, answer_file="", input_schema={},
        )  # fmt: skip
        calls = write_calls(calling, token)
        assert f"authorization: Bearer {token}" in shlex.split(calls["curl"].replace("\\\n", " "))
        sent = {}
        code = calls["Python"].replace("import httpx", "").partition("print(")[0]
        exec(code, {"httpx": type("httpx", (), {"post": lambda url, **more: sent.update(more)})})
        assert sent["headers"] == {"authorization": f"Bearer {token}"}

    def test_without_one_it_is_taken_from_a_variable(self, make_panel):
        server = make_panel(token=SECRET).server
        calls = write_calls(read_calling(server, server.metadata()))
        assert "$TOKEN" in calls["curl"]
        assert "os.environ['TOKEN']" in calls["Python"]


class TestOnAHub:
    URL = "http://127.0.0.1:8123"

    @pytest.fixture(autouse=True)
    def _nowhere(self, monkeypatch):
        for name in ("JUPYTERHUB_PUBLIC_URL", "JUPYTERHUB_SERVICE_PREFIX", "JUPYTER_SERVER_URL"):
            monkeypatch.delenv(name, raising=False)

    @pytest.mark.parametrize(
        ("environment", "path"),
        [
            ({}, ""),
            ({"JUPYTERHUB_SERVICE_PREFIX": "/user/ada/"}, "/user/ada/proxy/8123/"),
            ({"JUPYTERHUB_SERVICE_PREFIX": "/user/ada"}, "/user/ada/proxy/8123/"),
            (
                {"JUPYTERHUB_SERVICE_PREFIX": "/user/ada/", "JUPYTERHUB_PUBLIC_URL": "https://hub.org/user/ada/"},
                "https://hub.org/user/ada/proxy/8123/",
            ),
            ({"JUPYTER_SERVER_URL": "http://localhost:8888/lab/"}, ""),
        ],
    )
    def test_the_address_is_below_that_of_the_notebooks_server(self, monkeypatch, environment, path):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        assert proxied_path(self.URL) == path

    def test_elsewhere_it_is_there_where_the_proxy_is_installed(self, monkeypatch, tmp_path):
        (tmp_path / "jupyter_server_proxy.py").touch()
        monkeypatch.syspath_prepend(tmp_path)
        assert proxied_path(self.URL) == "proxy/8123/"
        monkeypatch.setenv("JUPYTER_SERVER_URL", "http://localhost:8888/base/")
        assert proxied_path(self.URL) == "/base/proxy/8123/"

    def test_it_is_in_the_faces(self):
        face = ServerFace("iris", "iris:1", self.URL, "/user/ada/proxy/8123/")
        assert "/user/ada/proxy/8123/predict" in server_text(face)
        assert "/user/ada/proxy/8123/predict" in server_html(face)


def test_a_server_shows_its_static_face_without_the_extension(make_panel):
    server = make_panel().server
    html = server._repr_html_()
    assert "iris:champion served, answered by iris:1" in html
    assert f"{server.url}/predict" in html
    assert "With its kernel, or by %vessl_stop" in html


def test_what_is_wrong_with_a_version_is_in_its_faces():
    face = ServerFace("iris:a", "iris:1", "http://h:1", "", "iris:a", "iris:2: It answers <b> otherwise", "It raised.")
    assert "Refused   iris:2: It answers <b> otherwise" in server_text(face)
    assert '<strong class="vnb-bad">iris:2: It answers &lt;b&gt; otherwise</strong>' in server_html(face)
    assert '<strong class="vnb-bad">It raised.</strong>' in server_html(face)
