"""%vessl_serve and %vessl_stop, on a real shell and with real servers."""

from __future__ import annotations

import os
import re
import signal
import socket
import threading
from contextlib import closing

import psutil
import pytest
from real_kernel import Kernel
from usual_cells import RUNNER

import vessl_nb as vessl
from vessl_nb.errors import CannotServe, InvalidArgument, InvalidReference, NotFound
from vessl_nb.serving.launch import Server, running_servers, stop_all

PORT = re.compile(r"(?<=http://127\.0\.0\.1:)\d+")


@pytest.fixture
def registered(notebook):
    notebook("%vessl_register iris --alias champion --sample '{\"x\": [1, 2]}' --no-check;")
    yield notebook
    stop_all()


def free_port():
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def refuse(*_, **__):
    raise CannotServe("It does not start.")


class TestServe:
    def test_it_gives_the_server_which_answers_and_whose_faces_are_the_same_but_for_the_port(self, registered):
        port = free_port()
        server = registered(f"%vessl_serve iris:champion --port {port}")
        assert isinstance(server, Server)
        assert (server.url, server.version) == (f"http://127.0.0.1:{port}", "iris:1")
        assert server.predict({"x": [3, 4]}) == [6, 8]
        faces = registered.faces(server)
        assert PORT.sub("PORT", faces["text/plain"]) == (
            "iris:champion served, answered by iris:1\n"
            "  Address   http://127.0.0.1:PORT/predict\n"
            '  Takes     {"x": [number, ...]}\n'
            "  Follows   the alias: when iris:champion moves, so does the server"
        )
        other = registered("%vessl_serve iris --port 0")
        assert other.url != server.url
        again = registered("%vessl_serve iris:champion --port 0")
        html = [PORT.sub("PORT", registered.faces(each)["text/html"]) for each in (server, again)]
        assert "was served, stopped" in html[0]
        assert PORT.sub("PORT", faces["text/html"]) == html[1]

    def test_the_same_reference_again_stops_the_former_server_and_takes_its_port(self, registered):
        former = registered(f"%vessl_serve iris:champion --port {free_port()}")
        other = registered("%vessl_serve iris:1 --port 0")
        ran = registered.run("%vessl_serve default/iris:champion")
        assert ran.text.startswith("Stopped the former server of iris:champion.\nOut[")
        assert ran.value.url == former.url
        assert (former.is_running, other.is_running, ran.value.is_running) == (False, True, True)

    def test_where_port_8000_is_taken_another_one_is_and_it_is_said(self, registered):
        with socket.socket() as taken:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                taken.bind(("127.0.0.1", 8000))
                taken.listen()
            except OSError:  # somebody else has it, which does as well
                pass
            ran = registered.run("%vessl_serve iris")
        assert ran.text.startswith(f"Port 8000 is taken: the server is at {ran.value.url}.\nOut[")
        assert not ran.value.url.endswith(":8000")

    def test_a_port_that_was_asked_for_and_is_taken_is_an_error_of_two_lines(self, registered):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            registered.fails(
                f"%vessl_serve iris --port {port}",
                CannotServe,
                f"Cannot listen on 127.0.0.1:{port}: Address already in use.",
                "Take another port; port 0 lets the system choose one.",
            )

    def test_where_the_new_one_cannot_listen_the_former_one_runs_on(self, registered):
        former = registered("%vessl_serve iris --port 0")
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            for options in (f"--port {taken.getsockname()[1]}", "--host 203.0.113.9 --port 0", "--host 203.0.113.9"):
                ran = registered.run(f"%vessl_serve iris {options}")
                assert isinstance(ran.error, CannotServe)
                assert "Stopped" not in ran.text
        assert former.predict({"x": [1]}) == [2]

    def test_where_the_new_one_does_not_start_the_former_one_is_started_again(self, registered, monkeypatch):
        former = registered("%vessl_serve iris --port 0")
        url = former.url
        monkeypatch.setattr("vessl_nb.serving.launch.serve", refuse)
        ran = registered.run("%vessl_serve iris")
        assert isinstance(ran.error, CannotServe)
        assert "Started the former server of iris again: the new one did not start." in ran.text
        assert former.url == url
        assert former.predict({"x": [1]}) == [2]

    def test_where_its_alias_points_at_what_does_not_start_it_is_said_which_version_answered(self, registered):
        registered("%vessl_serve iris:champion --port 0;")
        fussy = RUNNER.replace("return model", "import os; return os.environ['FUSSY'] and model")
        registered("import os; os.environ['FUSSY'] = '1'" + fussy)
        registered("%vessl_register iris --env FUSSY --no-check --alias champion;\ndel os.environ['FUSSY']")
        ran = registered.run("%vessl_serve iris:champion")
        assert isinstance(ran.error, CannotServe)
        assert "The former one had iris:1, and did not start again: " in ran.text

    @pytest.mark.parametrize(
        ("line", "error", "what"),
        [
            ("iri", NotFound, "There is no model repository 'iri'"),
            ("iris:9", NotFound, "9"),
            ("iris:", InvalidReference, "iris:"),
            ("iris --port 70000", InvalidArgument, "port is 70000."),
            ("iris --port x", InvalidArgument, "%vessl_serve: argument --port: invalid int value: 'x'"),
            ("iris --workers 0", InvalidArgument, "workers is 0."),
            ("iris --timeout nan", InvalidArgument, "timeout is nan."),
            ("", InvalidArgument, "%vessl_serve: the following arguments are required: reference"),
        ],
    )
    def test_what_cannot_be_served_is_said_and_stops_nothing(self, registered, line, error, what):
        running = registered("%vessl_serve iris --port 0")
        ran = registered.run(f"%vessl_serve {line}")
        assert type(ran.error) is error
        assert what in str(ran.error)
        assert 1 <= len(ran.text.strip().splitlines()) <= 2
        assert running.is_running

    def test_its_options_arrive(self, registered):
        registered("secret = 'a token of mine'")
        server = registered("%vessl_serve iris --port 0 --workers 2 --token '{secret}' --queue 7 --timeout 12")
        told = server.metadata()["server"]
        assert (told["workers"], told["queue"], told["timeout"]) == (2, 7, 12)
        assert server.token == "a token of mine"
        for face in registered.faces(server).values():
            assert "a token of mine" not in face
        assert "$TOKEN" in registered.faces(server)["text/html"]


class TestStop:
    def test_it_stops_one_or_all_and_says_what(self, registered):
        first = registered("%vessl_serve iris:champion --port 0")
        second = registered("%vessl_serve iris:1 --port 0")
        third = registered("vessl.serve('iris')")
        ran = registered.run("%vessl_stop iris:1")
        assert ran.text == f"Stopped the server of iris:1, which was at {second.url}.\n"
        assert ran.value is None
        ran = registered.run("%vessl_stop")
        assert sorted(ran.text.splitlines()) == [
            f"Stopped the server of iris, which was at {third.url}.",
            f"Stopped the server of iris:champion, which was at {first.url}.",
        ]
        assert running_servers() == []
        assert registered.run("%vessl_stop").text == "No server runs.\n"

    def test_a_server_that_there_is_none_of_is_an_error_that_names_the_nearest(self, registered):
        registered("server = %vessl_serve iris:champion --port 0")
        registered.fails(
            "%vessl_stop iris:champio",
            InvalidArgument,
            "There is no server of 'iris:champio' here.",
            "Did you mean 'iris:champion'?",
        )
        registered.fails(
            "%vessl_stop x", InvalidArgument, "There is no server of 'x' here.", "There is: iris:champion."
        )

    def test_tab_offers_what_runs(self, registered):
        registered("server = %vessl_serve iris:champion --port 0")
        assert registered.completions("%vessl_stop ") == ["iris:champion"]

    def test_servers_end_with_the_extension(self, registered):
        server = registered("%vessl_serve iris --port 0")
        registered("%unload_ext vessl_nb")
        assert not server.is_running
        assert registered.faces(server)["text/plain"] == f"<Server iris at {server.url}, stopped>"

    def test_loading_the_extension_once_more_leaves_them(self, registered):
        server = registered("%vessl_serve iris --port 0")
        vessl.load_ipython_extension(registered.shell)
        assert server.is_running
        assert registered.faces(server)["text/plain"].startswith("iris served")


def test_where_nothing_was_served_nothing_of_it_is_imported(notebook):
    import subprocess
    import sys

    script = """
import sys
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.run_line_magic("load_ext", "vessl_nb")
shell.run_line_magic("vessl_stop", "")
shell.run_line_magic("unload_ext", "vessl_nb")
print(*[name for name in sys.modules if name.startswith(("vessl_nb.serving", "uvicorn", "anywidget"))])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "No server runs.\n\n"


SLOW = """
import time
class SlowToLoad:
    def __reduce__(self): return time.sleep, (60,)
vessl.register_model("slow", None, Iris, SlowToLoad(), check=False);
"""


def test_the_stop_button_while_it_starts_is_said_in_a_line_and_leaves_no_process(notebook):
    notebook(SLOW)
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    threading.Timer(1.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    ran = notebook.run("%vessl_serve slow --port 0")
    assert ran.text.strip() == "KeyboardInterrupt: %vessl_serve was stopped."
    assert running_servers() == []
    assert {process.pid for process in psutil.Process().children(recursive=True)} <= before


class TestInAKernel:
    @pytest.fixture
    def serving(self, kernel):
        kernel("class Double(vessl.RunnerBase):\n    @staticmethod\n    def predict(model, data): return data * model")
        kernel("vessl.register_model('twice', None, Double, 2, sample=1.5, check=False);")
        yield kernel
        kernel("%vessl_stop")

    def test_its_panel_is_shown_and_its_static_face_as_an_output_of_its_own(self, serving):
        ran = serving("server = %vessl_serve twice --port 0\nserver")
        [widget] = ran.of("display_data")
        [static] = ran.of("execute_result")
        assert list(widget["data"]) == ["application/vnd.jupyter.widget-view+json"]
        assert set(static["data"]) == {"text/plain", "text/html"}
        assert "vnb-stands" in static["data"]["text/html"]
        assert static["data"]["text/plain"].startswith("twice served, answered by twice:1\n")

    def test_with_live_widgets_switched_off_there_is_only_the_static_face(self, serving):
        ran = serving("%config VesslMagics.live = False\nserver = %vessl_serve twice --port 0\nserver")
        assert ran.of("display_data") == []
        [static] = ran.of("execute_result")
        assert set(static["data"]) == {"text/plain", "text/html"}

    def test_it_ends_with_the_kernel_however_that_ends(self, tmp_path):
        kernel = Kernel("vessl_nb", tmp_path)
        try:
            kernel("import vessl_nb as vessl")
            kernel(
                "class Double(vessl.RunnerBase):\n    @staticmethod\n    def predict(model, data): return data * model"
            )
            kernel("vessl.register_model('twice', None, Double, 2, sample=1.5, check=False);")
            kernel("server = %vessl_serve twice --port 0")
            front = psutil.Process(kernel.value("server._process.pid"))
            workers = front.children(recursive=True)
        finally:
            kernel.stop()  # it is killed
        _, alive = psutil.wait_procs([front, *workers], timeout=10)
        assert workers
        assert alive == []
