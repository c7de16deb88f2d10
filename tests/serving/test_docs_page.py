"""The page at /docs, in a real Chromium, with the headers it is to be sent with, from a server of its own."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vessl_nb.manifest import Signature
from vessl_nb.serving.docs import docs_headers, docs_page
from vessl_nb.serving.docs_examples import URL, write_curl, write_json, write_python
from vessl_nb.serving.docs_fields import list_fields
from vessl_nb.serving.openapi import Example, Facts, openapi_of
from vessl_nb.values.encoding import encode_loosely
from vessl_nb.values.schema import schema_of

CHROMIUM = Path("/usr/bin/chromium")
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PREFIX = "/user/ada/proxy/8000"
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=30) | st.dictionaries(st.text(max_size=9), inner, max_size=5),
    max_leaves=60,
)


def facts_of(taken, answers, **more):
    """Make the facts of a version out of its samples and their answers, as plain data."""
    signature = Signature(input=schema_of(map(encode_loosely, taken)), output=schema_of(map(encode_loosely, answers)))
    examples = [Example(one, other) for one, other in zip(taken, answers, strict=True)]
    said = {"reference": "iris:3", "runner": "IrisRunner", "signature": signature, "examples": examples}
    return Facts(**(said | more))


IRIS = facts_of(
    [{"x": [5.1, 3.5, 1.4, 0.2]}, {"x": [6.3, 3.3, 6.0, 2.5]}],
    [{"species": "setosa", "p": 0.97}, {"species": "virginica", "p": 0.91}],
    description="Tells irises apart.\nTrained on 150 flowers.",
    tags={"accuracy": 0.97, "owner": "ada"},
)
IMAGES = Facts(
    reference="blur:1",
    runner="Blur",
    signature=Signature(
        input={"type": "string", "contentEncoding": "base64", "contentMediaType": "image/png", "x-mode": "RGB"},
        output={"type": "string", "contentEncoding": "base64", "contentMediaType": "image/png", "x-mode": "RGB"},
    ),
    examples=[Example(base64.b64encode(PNG).decode(), base64.b64encode(PNG).decode())],
    media_types=["image/*", "application/json"],
)


class Server(ThreadingHTTPServer):
    """Serves one page, with and without a proxy's prefix, and answers what the test says."""

    def __init__(self, facts):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.page = docs_page(openapi_of(facts))
        self.answer = (200, "application/json", b'{"y": 1}')
        self.asked = []
        self.requested = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.requested.append(self.path)
        is_page = self.path.split("?")[0].rstrip("/") in {"/docs", f"{PREFIX}/docs"}
        self.send_response(200 if is_page else 404)
        for name, value in {**docs_headers(), "content-type": "text/html; charset=utf-8"}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(self.server.page if is_page else b"")

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.asked.append((self.path, dict(self.headers.items()), body))
        status, content_type, answer = self.server.answer
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


@contextmanager
def serving(facts):
    """Serve a version's page until the test is done with it."""
    server = Server(facts)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def browser():
    if not CHROMIUM.exists():
        if os.environ.get("CI"):
            pytest.fail(f"{CHROMIUM} is missing, and CI is to test in a real browser: apt-get install chromium")
        pytest.skip(f"needs {CHROMIUM}: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    arguments = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
    arguments += ["--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser):
    """Give a function that opens an address; whatever the browser complained of fails the test."""
    contexts, complaints = [], []

    def open_it(url, *, width=1200, scheme="light"):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: (complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.goto(url)
        return page

    yield open_it
    for context in contexts:
        context.close()
    # A refusal that the test asked for is one in the console as well.
    assert [text for text in complaints if "Failed to load resource" not in text] == []


def send(page):
    """Send what is in the form, and wait for the answer."""
    page.get_by_role("button", name="Send").click()
    page.get_by_role("region", name="Answer", exact=True).wait_for()
    return page.get_by_role("status").inner_text()


def test_the_form_sends_the_first_example_and_shows_status_time_and_answer(open_page):
    with serving(IRIS) as server:
        page = open_page(f"{server.url}/docs")
        said = send(page)
        [(path, headers, body)] = server.asked
        assert (path, headers["content-type"], json.loads(body)) == (
            "/predict",
            "application/json",
            {"x": [5.1, 3.5, 1.4, 0.2]},
        )
        assert re.fullmatch(r"200 OK · [\d.]+ ms · 8 bytes · application/json", said)
        assert json.loads(page.get_by_role("region", name="Answer", exact=True).inner_text()) == {"y": 1}


def test_another_example_can_be_filled_in_and_sent_by_keyboard(open_page):
    with serving(IRIS) as server:
        page = open_page(f"{server.url}/docs")
        page.get_by_label("Fill in").select_option("Example 2")
        page.get_by_label("JSON", exact=True).press("Control+Enter")
        page.get_by_role("region", name="Answer", exact=True).wait_for()
        assert json.loads(server.asked[0][2]) == {"x": [6.3, 3.3, 6.0, 2.5]}


@pytest.mark.parametrize("path", [f"{PREFIX}/docs", f"{PREFIX}/docs/?token=x#call-it"])
def test_behind_a_proxy_the_form_the_links_and_the_commands_have_its_prefix(open_page, path):
    with serving(IRIS) as server:
        page = open_page(server.url + path)
        send(page)
        assert server.asked[0][0] == f"{PREFIX}/predict"
        assert f"{server.url}{PREFIX}/predict" in page.locator("#curl").inner_text()
        assert f'"{server.url}{PREFIX}/predict"' in page.locator("#python").inner_text()
        metrics = page.get_by_role("link", name="/metrics")
        assert metrics.evaluate("link => link.href") == f"{server.url}{PREFIX}/metrics"
        assert page.get_by_text("JUPYTERHUB_API_TOKEN").is_visible()


def test_by_its_own_address_nothing_is_said_of_jupyter(open_page):
    with serving(IRIS) as server:
        assert not open_page(f"{server.url}/docs").get_by_text("JUPYTERHUB_API_TOKEN").is_visible()


def test_the_page_asks_nothing_of_any_network_but_its_own_address(open_page):
    with serving(IRIS) as server:
        page = open_page("about:blank")
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{server.url}/docs")
        page.wait_for_timeout(200)
        assert asked in ([f"{server.url}/docs"], [f"{server.url}/docs", "data:,"])
        assert server.requested == ["/docs"]


HOSTILE = '</script><script>alert(1)</script><img src=x onerror="alert(2)">\'"&lt;</textarea></pre><!--'


def test_nothing_of_a_version_is_run_or_drawn_as_html(open_page):
    facts = facts_of(
        [{HOSTILE: HOSTILE}, {HOSTILE: 1}],
        [{HOSTILE: HOSTILE}, HOSTILE],
        reference=HOSTILE,
        runner=HOSTILE,
        description=HOSTILE,
        tags={HOSTILE: HOSTILE},
        media_types=["application/json", f"text/{HOSTILE}"],
    )
    with serving(facts) as server:
        server.answer = (200, "application/json", json.dumps(HOSTILE).encode())
        page = open_page(f"{server.url}/docs")
        assert page.get_by_role("heading", level=1).inner_text() == HOSTILE[:119].rstrip() + (
            "…" if len(HOSTILE) > 120 else ""
        )
        assert page.locator(".description").inner_text() == HOSTILE
        page.get_by_label("JSON", exact=True).first.check()
        assert json.loads(page.locator("#body").input_value()) == {HOSTILE: HOSTILE}
        send(page)
        assert json.loads(server.asked[0][2]) == {HOSTILE: HOSTILE}
        assert json.loads(page.get_by_role("region", name="Answer", exact=True).inner_text()) == HOSTILE
        assert page.locator("script").count() == 1
        assert page.locator("img").count() == 0


def test_a_problem_document_is_shown_as_what_it_is(open_page):
    problem = {"title": "Unprocessable Content", "status": 422, "errors": [{"pointer": "/x/0", "detail": "no number"}]}
    with serving(IRIS) as server:
        server.answer = (422, "application/problem+json", json.dumps(problem).encode())
        page = open_page(f"{server.url}/docs")
        assert send(page).startswith("422 ")
        assert json.loads(page.get_by_role("region", name="Answer", exact=True).inner_text()) == problem


def test_numbers_that_javascript_cannot_hold_are_shown_as_they_were_answered(open_page):
    with serving(IRIS) as server:
        server.answer = (200, "application/json", b'{"id": 12345678901234567891}')
        page = open_page(f"{server.url}/docs")
        send(page)
        assert page.get_by_role("region", name="Answer", exact=True).inner_text() == '{"id": 12345678901234567891}'


def test_a_file_is_sent_as_it_is_and_an_image_is_shown_as_an_image(open_page, tmp_path):
    (tmp_path / "cat.png").write_bytes(PNG)
    with serving(IMAGES) as server:
        server.answer = (200, "image/png", PNG)
        page = open_page(f"{server.url}/docs")
        page.get_by_role("button", name="Send").click()
        assert page.get_by_role("status").inner_text() == "Choose a file first."
        page.get_by_label("File", exact=True).set_input_files(tmp_path / "cat.png")
        send(page)
        [(_, headers, body)] = server.asked
        assert (headers["content-type"], body) == ("image/png", PNG)
        image = page.get_by_role("img", name="The answer, an image")
        page.wait_for_function("() => document.querySelector('#answer img').complete")
        assert image.evaluate("image => image.naturalWidth") == 1


def test_an_image_can_be_sent_as_json_instead(open_page):
    with serving(IMAGES) as server:
        page = open_page(f"{server.url}/docs")
        page.get_by_role("radio", name="JSON").check()
        send(page)
        assert json.loads(server.asked[0][2]) == base64.b64encode(PNG).decode()


def test_other_bytes_can_be_saved(open_page):
    with serving(IRIS) as server:
        server.answer = (200, "application/octet-stream", b"\x00\x01")
        page = open_page(f"{server.url}/docs")
        send(page)
        with page.expect_download() as download:
            page.get_by_role("link", name="Save the answer").click()
        assert Path(download.value.path()).read_bytes() == b"\x00\x01"


def test_a_token_is_asked_for_where_one_is_needed_and_only_sent_where_it_is_given(open_page):
    with serving(msgspec.structs.replace(IRIS, has_token=True)) as server:
        page = open_page(f"{server.url}/docs")
        send(page)
        page.get_by_label("Token").fill("s3cret")
        send(page)
        page.wait_for_function("() => !document.querySelector('#answer').hidden")
        (_, before, _), (_, after, _) = server.asked
        assert ("authorization" in before, after["authorization"]) == (False, "Bearer s3cret")
        assert "$TOKEN" in page.locator("#curl").inner_text()
    with serving(IRIS) as server:
        assert open_page(f"{server.url}/docs").get_by_label("Token").count() == 0


def test_a_command_is_copied_with_the_address_in_it(open_page):
    with serving(IRIS) as server:
        page = open_page(f"{server.url}/docs")
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.get_by_role("button", name="Copy: curl").click()
        page.get_by_text("Copied").wait_for()
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied == page.locator("#curl").text_content()
        assert f"{server.url}/predict" in copied


def test_a_server_that_is_gone_is_said_in_words(open_page):
    with serving(IRIS) as server:
        page = open_page(f"{server.url}/docs")
    page.get_by_role("button", name="Send").click()
    page.get_by_text("No answer: the server cannot be reached from here.").wait_for()


@pytest.mark.parametrize("width", [380, 1200])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_never_scrolls_sideways_and_takes_the_colours_of_the_reader(open_page, width, scheme):
    wide = {f"a_long_name_of_column_number_{number}": 1.5 for number in range(40)}
    facts = facts_of([{"rows": [wide], "pixels": [0.5] * 784}], ["x" * 500], reference="r" * 120 + ":1")
    with serving(facts) as server:
        page = open_page(f"{server.url}/docs", width=width, scheme=scheme)
        send(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(22, 24, 27)"
        assert dark == (scheme == "dark")


def test_the_commands_do_what_the_page_says(open_page, tmp_path):
    facts = msgspec.structs.replace(IRIS, examples=[Example({"x": 'it\'s $HOME `ls` \\ "é" \u2028 .'}, {"y": 1})])
    with serving(facts) as server:
        page = open_page(f"{server.url}/docs")
        curl, python = (page.locator(f"#{name}").text_content() for name in ("curl", "python"))
        subprocess.run(["bash", "-c", curl], check=True, capture_output=True, timeout=30)
        run = subprocess.run([sys.executable, "-c", python], check=True, capture_output=True, text=True, timeout=30)
        assert run.stdout == "200 {'y': 1}\n"
        for path, _, body in server.asked:
            assert (path, json.loads(body)) == ("/predict", facts.examples[0].input)
        assert len(server.asked) == 2


def test_the_commands_of_a_version_of_images_send_and_save_files(open_page, tmp_path):
    (tmp_path / "image.png").write_bytes(PNG)
    with serving(msgspec.structs.replace(IMAGES, has_token=True)) as server:
        server.answer = (200, "image/png", PNG)
        page = open_page(f"{server.url}/docs")
        for command in (
            ["bash", "-c", page.locator("#curl").text_content()],
            [sys.executable, "-c", page.locator("#python").text_content()],
        ):
            environment = {**os.environ, "TOKEN": "s3cret"}
            subprocess.run(command, check=True, capture_output=True, timeout=30, cwd=tmp_path, env=environment)
            _, headers, body = server.asked[-1]
            by_name = {name.lower(): value for name, value in headers.items()}
            assert (by_name["content-type"], by_name["authorization"], body) == ("image/png", "Bearer s3cret", PNG)
            assert (tmp_path / "answer.png").read_bytes() == PNG
            (tmp_path / "answer.png").unlink()


@settings(deadline=None)  # other work may hold it up
@given(PLAIN)
def test_an_example_is_the_same_data_however_it_is_laid_out(value):
    text = write_json(value)
    assert json.loads(text) == value
    assert all(line.isprintable() for line in text.split("\n"))


@settings(deadline=None)  # other work may hold it up
@given(PLAIN, st.booleans())
def test_a_call_from_python_is_python_and_holds_the_example(value, has_token):
    code = write_python("application/json", value, has_token=has_token)
    compile(code, "call", "exec")
    calls = []

    class Answer:
        status_code = 200

        def json(self):
            return None

    def post(url, **arguments):
        calls.append((url, arguments))
        return Answer()

    if "Path(" not in code:
        fake = type("httpx", (), {"post": staticmethod(post)})
        exec(
            code.replace("import httpx", "").replace("import os", ""),
            {"httpx": fake, "os": type("os", (), {"environ": {"TOKEN": "t"}}), "print": lambda *_: None},
        )
        [(url, arguments)] = calls
        assert (url, arguments["json"]) == (URL, value)


def test_a_large_example_comes_from_a_file_in_a_command():
    assert "@input.json" in write_curl("application/json", ["x"] * 10_000, has_token=False)


class Part(pydantic.BaseModel):
    price: float = pydantic.Field(ge=0, description="In euros.")
    colour: str | None = None


class Node(pydantic.BaseModel):
    parts: list[Part]
    children: list[Node] = []


def test_the_fields_of_nested_models_are_listed_with_types_and_what_is_required():
    signature = Signature(input=pydantic.TypeAdapter(Node).json_schema())
    document = openapi_of(Facts(reference="a:1", runner="R", signature=signature, input_is_declared=True))
    fields, has_more = list_fields("Input", document["components"]["schemas"])
    assert [(field.name, field.type, field.is_required) for field in fields] == [
        ("parts", "array of objects", True),
        ("parts[].price", "number", True),
        ("parts[].colour", "string or null", False),
        ("children", "array of objects", False),
    ]
    assert fields[1].note == "In euros; at least 0"
    assert not has_more


@settings(deadline=None)  # other work may hold it up
@given(st.lists(PLAIN, min_size=1, max_size=3))
def test_every_inferred_schema_can_be_listed(values):
    document = openapi_of(facts_of(values, values))
    for name in ("Input", "Output"):
        assert list_fields(name, document["components"]["schemas"])[0]


def test_a_schema_of_very_many_fields_is_cut_and_says_so():
    document = openapi_of(facts_of([{f"c{number}": 1 for number in range(290)}], [1]))
    fields, has_more = list_fields("Input", document["components"]["schemas"])
    assert (len(fields), has_more) == (200, True)
    assert b"and more" in docs_page(document)


def test_a_version_of_which_nothing_is_known_has_a_page():
    page = docs_page(openapi_of(Facts(reference="a:1", runner="R", media_types=["*/*"]))).decode()
    assert "Nothing is known of what the version answers" in page


def test_a_server_with_a_token_lets_a_browser_ask_its_user_for_it(browser, serve_from_shelf):
    url = serve_from_shelf("adder", token="known").url
    context = browser.new_context(http_credentials={"username": "anybody", "password": "known"})
    page = context.new_page()
    assert page.goto(f"{url}/docs").status == 200
    said = send(page)
    assert said.startswith("200 OK")
    assert said.endswith("from adder:1")
    context.close()
