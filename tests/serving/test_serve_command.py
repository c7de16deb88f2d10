"""``vessl-nb serve``, as a shell runs it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from http_socket import get, post
from server_processes import alive, at, wait_until

import vessl_nb as vessl

KNOWN = {"authorization": "Bearer known"}
COMMAND = Path(sys.executable).parent / "vessl-nb"


@contextlib.contextmanager
def command(shelf, *arguments):
    """Run the command until the block ends; gives it, and the lines that it said first."""
    with at(shelf):
        running = subprocess.Popen(
            [COMMAND, "serve", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
    try:
        yield running, running.stdout.readline()
    finally:
        running.kill()
        running.communicate()


def url_in(said):
    """Find the address in what it says."""
    return re.search(r"http://127\.0\.0\.1:\d+", said)[0]


def refused(shelf, *arguments):
    with at(shelf):
        done = subprocess.run([COMMAND, "serve", *arguments], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 0), (signal.SIGTERM, -signal.SIGTERM)])
def test_it_says_where_it_answers_and_ends_when_it_is_told(shelf, number, status):
    with command(shelf, "adder:champion", "--port", "0", "--workers", "2") as (running, said):
        url = url_in(said)
        assert "adder:1" in said
        assert post(url, {"x": [1, 2]}).json["sum"] == 3.0
        assert get(url, "/metadata").json["server"]["workers"] == 2
        processes = [psutil.Process(running.pid), *psutil.Process(running.pid).children(recursive=True)]
        os.kill(running.pid, number)
        assert running.wait(30) == status
        wait_until(lambda: not alive(processes), 15)
        assert "Traceback" not in running.stderr.read()


def test_it_ends_with_its_terminal_and_ignores_the_end_of_others(shelf):
    own, theirs = os.openpty()
    with at(shelf):
        for stdin, is_ended in ((theirs, True), (subprocess.DEVNULL, False)):
            line = [COMMAND, "serve", "adder", "--port", "0"]
            with subprocess.Popen(
                line, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            ) as running:
                url = url_in(running.stdout.readline())
                running.send_signal(signal.SIGHUP)
                if not is_ended:
                    time.sleep(0.5)
                    assert post(url, {"x": [1]}).status == 200
                    running.terminate()
                assert running.wait(30) == (0 if is_ended else -signal.SIGTERM)
    os.close(own)
    os.close(theirs)


def test_what_nobody_reads_holds_up_no_request(shelf):
    with at(shelf):
        running = subprocess.Popen(
            [COMMAND, "serve", "obedient", "--port", "0", "--timeout", "5"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,  # which nobody reads
            text=True,
        )
    try:
        url = url_in(running.stdout.readline())
        assert {post(url, {"do": "raise"}).status for _ in range(170)} == {500}
        assert get(url, "/metadata").json["server"]["restarts"] == 0
    finally:
        running.kill()
        running.communicate()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_it_serves_though_nobody_can_be_told_where(shelf):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with at(shelf), Path("/dev/full").open("w") as full:
        running = subprocess.Popen([COMMAND, "serve", "adder", "--port", f"{port}"], stdout=full, stderr=full)
    try:
        deadline = time.monotonic() + 30
        while True:
            with contextlib.suppress(OSError):
                assert post(f"http://127.0.0.1:{port}", {"x": [1]}).status == 200
                break
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        running.terminate()
        running.wait(30)


def test_one_that_was_killed_leaves_no_folder(shelf, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with command(shelf, "obedient", "--port", "0", "--workers", "2") as (running, said):
        assert post(url_in(said), {}).status == 200
        assert list(tmp_path.glob("vessl_nb-serve-*"))
        running.kill()
        wait_until(lambda: not list(tmp_path.glob("vessl_nb-serve-*")))


def test_the_runner_is_not_told_the_token(tmp_path, monkeypatch):
    class Tells(vessl.RunnerBase):
        @staticmethod
        def predict(model, data):
            import os

            return dict(os.environ).get("VESSL_NB_" + "TOKEN")

    monkeypatch.setenv("VESSL_NB_TOKEN", "known")
    with at(tmp_path):
        vessl.register_model("tells", None, Tells, {}, check=False)
    with command(tmp_path, "tells", "--port", "0") as (_, said):
        url = url_in(said)
        assert post(url, {}, headers=KNOWN).json is None
        assert post(url, {}).status == 401


def test_a_token_is_made_and_shown_where_others_can_ask(shelf):
    with command(shelf, "adder", "--port", "0", "--host", "0.0.0.0") as (running, said):
        url = re.search(r"http://[\d.]+:\d+", said)[0]
        header = running.stdout.readline()
        token = re.search(r"Bearer (\S+)", header)[1]
        assert post(url, {"x": [1]}).status == 401
        assert post(url, {"x": [1]}, headers={"authorization": f"Bearer {token}"}).status == 200


def test_what_does_not_work_is_said_in_a_line_or_two(shelf):
    assert "nothing" in refused(shelf, "nothing", "--port", "0")
    assert "workers" in refused(shelf, "adder", "--workers", "0")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert port in refused(shelf, "adder", "--port", port)


def test_a_token_from_the_environment_is_seen_by_nobody_among_the_processes(shelf, monkeypatch):
    monkeypatch.setenv("VESSL_NB_TOKEN", "from outside")
    with command(shelf, "adder", "--port", "0") as (running, said):
        url = re.search(r"http://[\d.]+:\d+", said)[0]
        assert post(url, {"x": [1]}).status == 401
        assert post(url, {"x": [1]}, headers={"authorization": "Bearer from outside"}).status == 200
        processes = [psutil.Process(running.pid), *psutil.Process(running.pid).children(recursive=True)]
        assert not [process for process in processes if "outside" in " ".join(process.cmdline())]


def test_a_log_that_nobody_reads_holds_up_only_whom_it_must(shelf):
    with command(shelf, "obedient", "--port", "0", "--timeout", "1") as (running, said):
        url = url_in(said)
        for _ in range(3):  # more than the pipes hold
            assert post(url, {"do": "print", "lines": 2000}).status == 504
            assert get(url, "/health/live").status == 200
        os.kill(running.pid, signal.SIGTERM)
        assert running.wait(30) == -signal.SIGTERM


def test_the_log_has_a_line_for_each_thing_whole_at_the_end_and_nowhere_where_it_was_closed(shelf):
    with command(shelf, "obedient", "--port", "0") as (running, said):
        url = url_in(said)
        assert post(url, {"do": "end"}).status == 503
        os.kill(running.pid, signal.SIGTERM)
        lines = running.communicate(timeout=20)[1].splitlines()
    expected = r"[\d-]{10} [\d:,]{12} ERROR A worker of obedient:1@1 \(process \d+\) ended after [\d.]+ s; another one takes its place"
    assert [line for line in lines if re.fullmatch(expected, line)] == lines
    shell = f"exec {COMMAND} serve obedient --port 0 2>&-"
    with at(shelf), subprocess.Popen(["sh", "-c", shell], stdout=subprocess.PIPE, text=True) as running:
        url = url_in(running.stdout.readline())
        assert [post(url, {"do": do}).status for do in ("", "end", "", "end", "")] == [200, 503, 200, 503, 200]
        running.terminate()


def test_the_log_says_where_loading_failed(tmp_path):
    class Broken(vessl.RunnerBase):
        @staticmethod
        def load_model(props, artifacts):
            raise ValueError("no weights here")

        @staticmethod
        def predict(model, data):
            return data

    with at(tmp_path):
        vessl.register_model("broken", None, Broken, {}, check=False)
        done = subprocess.run([COMMAND, "serve", "broken", "--port", "0"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "no weights here" in done.stderr.splitlines()[-2]
    assert 'raise ValueError("no weights here")' in done.stderr
