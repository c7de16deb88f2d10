"""A server started from Python: what it is given, what it says where it cannot start, and that it ends with its caller."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from http_socket import Talk, get, post, request
from server_processes import alive, at, processes_of, wait_until

import vessl_nb as vessl
from vessl_nb.errors import CannotServe, InvalidArgument, NotFound, RequestFailed, VesslError
from vessl_nb.serving import launch
from vessl_nb.serving.access import Access
from vessl_nb.serving.front import Front
from vessl_nb.serving.launch import running_servers, serve
from vessl_nb.serving.options import Options


def test_a_server_predicts_tells_and_stops(serve_from_shelf):
    with serve_from_shelf("adder:champion") as server:
        assert server.predict({"x": np.arange(3.0)}) == {"sum": 3.0, "version": 0.0}
        assert (server.reference, server.version, server.token) == ("adder:champion", "adder:1", "")
        assert server.is_running
        assert server in running_servers()
        assert server.metadata()["version"]["reference"] == "adder:1"
        log = server._log
        assert log.exists()
    assert not server.is_running
    assert server not in running_servers()
    assert not log.exists()
    server.stop()
    with pytest.raises(RequestFailed, match="is stopped"):
        server.predict({"x": [1]})


def test_a_request_that_fails_says_status_and_field(adder):
    with pytest.raises(RequestFailed) as failed:
        adder.predict({"x": ["one"]})
    assert failed.value.status == 422
    assert failed.value.problem["errors"][0]["pointer"] == "/x/0"


def test_bytes_are_sent_as_they_are(serve_from_shelf):
    assert serve_from_shelf("bytes").predict(b"\x00ab") == b"ba\x00"


@pytest.mark.parametrize(
    "given",
    [
        {"port": -1}, {"port": 70_000}, {"port": "8000"}, {"workers": 0}, {"workers": True}, {"workers": 10_000},
        {"queue": -1}, {"timeout": 0}, {"timeout": float("nan")}, {"timeout": float("inf")}, {"timeout": "1"},
        {"token": "a\nb"}, {"token": "é"}, {"token": " outer"}, {"token": "outer "},
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_with_the_value(given):
    with pytest.raises(InvalidArgument):
        serve("adder", **given)


def test_a_version_that_is_not_there_is_refused(serve_from_shelf):
    with pytest.raises(NotFound, match="nothing"):
        serve_from_shelf("nothing")


def test_a_port_that_is_taken_is_named(serve_from_shelf):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotServe, match=f"127.0.0.1:{port}"):
            serve_from_shelf("adder", port=port)


def test_an_address_that_is_none_is_refused(serve_from_shelf):
    with pytest.raises(CannotServe, match=r"no\.such\.host"):
        serve_from_shelf("adder", host="no.such.host.invalid")


def test_what_a_version_needs_and_is_not_here_is_named(tmp_path, monkeypatch):
    from served_runners import make_adder

    monkeypatch.setenv("NEEDED_HERE", "yes")
    with at(tmp_path):
        sample = {"x": [1.0]}
        vessl.register_model("env", None, make_adder(), 0.0, sample=sample, env=["NEEDED_HERE"], check=False)
        package = ["not-a-package-of-anybody"]
        with pytest.warns(UserWarning, match="not installed"):
            vessl.register_model("package", None, make_adder(), 0.0, sample=sample, requirements=package, check=False)
        monkeypatch.delenv("NEEDED_HERE")
        with pytest.raises(CannotServe, match="NEEDED_HERE"):
            serve("env")
        with pytest.raises(CannotServe, match="not-a-package-of-anybody") as refused:
            serve("package")
    assert refused.value.kind == "MissingRequirement"


def test_others_than_this_machine_need_a_token(serve_from_shelf):
    with pytest.raises(CannotServe, match="token"):
        serve_from_shelf("adder", host="0.0.0.0", token="")
    server = serve_from_shelf("adder", host="0.0.0.0")
    assert len(server.token) >= 20
    assert server.predict({"x": [1]})["sum"] == 1.0
    assert post(server.url, {"x": [1]}).status == 401


def test_a_token_is_not_to_be_read_from_the_list_of_processes(serve_from_shelf):
    server = serve_from_shelf("adder", token="nobody-reads-this")
    assert server.predict({"x": [1]})["sum"] == 1.0
    for process in processes_of(server):
        assert "nobody-reads-this" not in " ".join([*process.cmdline(), *process.environ().values()])


def test_a_registry_beside_the_notebook_is_found(shelf, monkeypatch):
    monkeypatch.chdir(shelf)
    monkeypatch.setenv("VESSL_NB_REGISTRY", "registry")
    with serve("adder") as server:
        assert server.predict({"x": [1]})["sum"] == 1.0


def test_no_process_of_a_server_imports_jupyter(tmp_path):
    class Modules(vessl.RunnerBase):
        @staticmethod
        def predict(model, data):
            import sys

            return sorted(sys.modules)

    with at(tmp_path):
        vessl.register_model("modules", None, Modules, {}, check=False)
        with serve("modules") as server:
            worker = set(server.predict({}))
    script = "import vessl_nb.serving.server, vessl_nb.serving.stem, sys; print(*sys.modules)"
    front = set(
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    )
    for imported in (worker, front):
        assert not imported & {"IPython", "ipykernel", "ipywidgets", "anywidget", "torch", "pandas"}


CALLER = """
import sys, time
from vessl_nb.serving.launch import serve
server = serve(sys.argv[1])
print(server.url, server._process.pid, flush=True)
if sys.argv[2] == "exit":
    server = None
else:
    time.sleep(60)
"""


@contextlib.contextmanager
def called(shelf, reference, how):
    """Start a process that starts a server; give it, the server's address and the server's process."""
    with at(shelf):
        caller = subprocess.Popen([sys.executable, "-c", CALLER, reference, how], stdout=subprocess.PIPE, text=True)
    try:
        url, pid = caller.stdout.readline().split()
        yield caller, url, psutil.Process(int(pid))
    finally:
        caller.kill()
        caller.communicate()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_server_ends_with_the_process_that_started_it_and_answers_what_it_had(shelf, tmp_path, monkeypatch, number):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with called(shelf, "obedient", "sleep") as (caller, url, front):
        processes = [front, *front.children(recursive=True)]
        with Talk(url) as talk:
            talk.send(request(json.dumps({"do": "sleep", "seconds": 1}).encode()))
            time.sleep(0.2)
            caller.send_signal(number)
            assert talk.reply().status == 200
        wait_until(lambda: not alive(processes), 15)
        assert not list(tmp_path.glob("vessl_nb-serve-*"))


def test_a_server_that_nobody_holds_ends_with_its_process(shelf):
    with called(shelf, "adder", "exit") as (caller, _, front):
        assert caller.wait(10) == 0
        wait_until(lambda: not alive([front]), 15)


def test_a_process_forked_from_the_caller_does_not_keep_a_server(serve_from_shelf):
    server = serve_from_shelf("adder")
    child = os.fork()
    if not child:
        time.sleep(60)
        os._exit(0)
    try:
        begun = time.monotonic()
        server.stop()
        assert time.monotonic() - begun < 15
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_an_interrupted_start_leaves_nothing(shelf, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    started = []
    popen = subprocess.Popen
    monkeypatch.setattr(launch, "_wait_for", interrupt)
    monkeypatch.setattr(
        launch.subprocess, "Popen", lambda *given, **how: started.append(popen(*given, **how)) or started[0]
    )
    with at(shelf), pytest.raises(KeyboardInterrupt):
        serve("adder")
    assert started[0].poll() is not None


def test_a_log_that_grows_for_ever_is_cut_at_its_beginning(serve_from_shelf):
    server = serve_from_shelf("obedient")
    largest = 0
    for _ in range(8):
        assert post(server.url, {"do": "print", "lines": 50_000}).status == 200
        largest = max(largest, server._log.stat().st_size)
    assert largest > 10_000_000
    wait_until(lambda: server._log.stat().st_size < 34_000_000)
    wait_until(lambda: set(server.logs(100).split()) == {"words" * 20})


def test_two_servers_run_side_by_side(serve_from_shelf):
    one, other = serve_from_shelf("adder"), serve_from_shelf("bytes")
    assert one.url != other.url
    assert one.predict({"x": [1]})["sum"] == 1.0
    assert other.predict(b"ab") == b"ba"


def test_a_server_whose_front_dies_says_so(serve_from_shelf):
    server = serve_from_shelf("adder")
    server._process.kill()
    server._process.wait()
    assert not server.is_running
    with pytest.raises(VesslError):
        server.predict({"x": [1]})


def test_workers_stand_in_a_folder_of_their_own_which_is_gone_afterwards(tmp_path):
    class Where(vessl.RunnerBase):
        @staticmethod
        def predict(model, data):
            from pathlib import Path

            Path("written.txt").write_text("words")
            return str(Path.cwd())

    with at(tmp_path):
        vessl.register_model("where", None, Where, {}, check=False)
        with serve("where") as server:
            folder = Path(server.predict({}))
            assert folder != Path.cwd()
            assert get(server.url, "/health/ready").status == 200
        assert not folder.exists()


def test_where_nothing_temporary_can_be_made_it_says_what_to_set_and_leaves_nothing_open(shelf, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(shelf / "read-only"))
    with at(shelf):
        before = psutil.Process().num_fds()
        for start in (lambda: serve("adder:1"), lambda: Front(Options(reference="adder:1"), Access(""), 10)):
            with pytest.raises(CannotServe, match="Set TMPDIR"):
                start()
        assert psutil.Process().num_fds() == before
