"""What a runner can do to its process, and what can be done to it: only the request at hand is lost, and no process is left over."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import psutil
import pytest
from http_socket import Clients, Talk, get, is_problem, post, request
from served_runners import make_adder
from server_processes import alive, at, processes_of, wait_until

import vessl_nb as vessl
from vessl_nb.errors import CannotServe
from vessl_nb.serving.launch import serve


class Load(Clients):
    """Clients that ask one request after the other, and count what they are answered."""

    def __init__(self, url, data, clients=4):
        self.statuses = {}
        self.broken = []
        self._url = url
        self._asked = request(json.dumps(data).encode())
        self._lock = threading.Lock()
        super().__init__(clients)

    def _run(self):
        with Talk(self._url) as talk:
            while not self._stop.is_set():
                try:
                    talk.send(self._asked)
                    reply = talk.reply()
                except (OSError, EOFError) as error:
                    self.broken.append(repr(error))
                    return
                with self._lock:
                    self.statuses[reply.status] = self.statuses.get(reply.status, 0) + 1
                if reply.headers.get("connection") == "close":
                    return


def workers_of(server):
    """Find the processes that answer: those whose parent is the process that has loaded."""
    children = alive(psutil.Process(server._process.pid).children())  # orphans of its workers are among them
    (stem,) = [child for child in children if "serving.stem" in " ".join(child.cmdline())]
    return stem.children()


@pytest.mark.parametrize("do", ["raise", "exit", "panic"])
def test_a_runner_that_raises_anything_goes_on(obedient, do):
    before = obedient.metadata()["server"]["restarts"]
    reply = post(obedient.url, {"do": do})
    assert is_problem(reply, 500)
    assert reply.json["stage"] == "predict"
    assert post(obedient.url, {}).status == 200
    assert obedient.metadata()["server"]["restarts"] == before


@pytest.mark.parametrize("do", ["end", "kill"])
def test_a_runner_that_ends_its_process_loses_its_own_request_alone(obedient, do):
    with Talk(obedient.url) as other:
        other.send(request(json.dumps({"do": "sleep", "seconds": 0.5}).encode()))
        time.sleep(0.1)
        assert is_problem(post(obedient.url, {"do": do}), 503)
        assert other.reply().status == 200
    assert all(post(obedient.url, {}).status == 200 for _ in range(10))
    wait_until(lambda: obedient.metadata()["server"]["workers"] == 2)


@pytest.mark.parametrize("do", ["loop", "hang in C", "sleep"])
def test_a_runner_that_hangs_is_504_and_holds_up_nobody(obedient, do):
    with Talk(obedient.url) as hanging:
        hanging.send(request(json.dumps({"do": do, "seconds": 100}).encode()))
        time.sleep(0.1)
        assert all(post(obedient.url, {}).status == 200 for _ in range(20))
        assert is_problem(hanging.reply(), 504)
    wait_until(lambda: obedient.metadata()["server"]["workers"] == 2)
    assert all(post(obedient.url, {}).status == 200 for _ in range(20))


def test_a_worker_that_dies_beside_a_process_it_has_forked_is_noticed_at_once(obedient):
    # Unnoticed, it would be 504.
    assert is_problem(post(obedient.url, {"do": "fork", "seconds": 20, "end": True}), 503)
    assert post(obedient.url, {"do": "fork", "seconds": 0}).status == 200
    assert post(obedient.url, {}).status == 200


def test_a_runner_that_prints_and_starts_threads_answers(obedient):
    assert post(obedient.url, {"do": "print", "lines": 2000}).status == 200
    assert obedient.logs(1).startswith("words")
    for _ in range(5):
        assert post(obedient.url, {"do": "leak a thread"}).status == 200


def test_workers_killed_under_load_lose_their_own_requests_alone(serve_from_shelf):
    server = serve_from_shelf("obedient", workers=2, timeout=5)
    with Load(server.url, {}) as load:
        for _ in range(10):
            time.sleep(0.2)
            with contextlib.suppress(IndexError, psutil.NoSuchProcess):
                workers_of(server)[0].kill()
        time.sleep(0.5)
    assert not load.broken
    assert set(load.statuses) <= {200, 503}
    assert load.statuses.get(503, 0) <= 10
    assert load.statuses[200] > 200
    wait_until(lambda: server.metadata()["server"]["workers"] == 2)


def test_the_loading_process_killed_loses_nothing_and_is_replaced_when_it_is_needed(serve_from_shelf):
    server = serve_from_shelf("obedient", workers=2)
    front = psutil.Process(server._process.pid)
    (stem,) = alive(front.children())
    workers = stem.children()
    with Load(server.url, {}) as load:
        stem.kill()
        time.sleep(0.5)
    assert not load.broken
    assert set(load.statuses) == {200}
    for worker in workers:
        worker.kill()
    wait_until(lambda: server.metadata()["server"]["workers"] == 2)
    assert post(server.url, {}).status == 200
    wait_until(lambda: len(alive(front.children())) == 1)  # one for both
    wait_until(lambda: len(alive(processes_of(server))) == 4)
    descriptors = front.num_fds()
    for _ in range(3):
        for worker in [*alive(front.children())[0].children(), *alive(front.children())]:
            worker.kill()
        wait_until(lambda: server.metadata()["server"]["workers"] == 2 and post(server.url, {}).status == 200, 20)
    assert front.num_fds() <= descriptors + 2


def test_a_runner_with_threads_of_its_own_is_loaded_by_each_worker(serve_from_shelf):
    server = serve_from_shelf("threaded", workers=2)
    front = psutil.Process(server._process.pid)
    workers = front.children()
    assert len(workers) == 2
    seen = set()

    def ask():
        seen.add(post(server.url, {}).json["pid"])

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {worker.pid for worker in workers}
    descriptors = front.num_fds()
    workers[0].kill()
    wait_until(lambda: server.metadata()["server"]["restarts"] == 1)
    wait_until(lambda: server.metadata()["server"]["workers"] == 2)
    assert post(server.url, {}).status == 200
    assert front.num_fds() <= descriptors + 1


@pytest.mark.parametrize("reference", ["obedient", "threaded"])
def test_nothing_is_left_when_the_front_is_killed(serve_from_shelf, reference):
    server = serve_from_shelf(reference, workers=2, timeout=60)
    processes = processes_of(server)
    if reference == "obedient":
        talk = Talk(server.url)
        talk.send(request(json.dumps({"do": "loop"}).encode()))
        time.sleep(0.2)
        talk.socket.close()
    assert len(processes) >= 3
    server._process.kill()
    wait_until(lambda: not alive(processes))


@pytest.mark.parametrize("delay", [0, 0.5], ids=["at once", "later"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_is_left_when_the_front_ends_while_a_version_loads(tmp_path, number, delay):
    from served_runners import make_crashing

    with at(tmp_path):
        vessl.register_model("slow", None, make_crashing("sleep"), {}, check=False)
        script = "import vessl_nb.serving.launch as l; l.serve('slow')"
        caller = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: len(psutil.Process(caller.pid).children(recursive=True)) == 2)
        time.sleep(delay)
        processes = psutil.Process(caller.pid).children(recursive=True)
        processes[0].send_signal(number)
        wait_until(lambda: not alive(processes))
    finally:
        caller.kill()
        caller.wait()


@pytest.mark.parametrize("how", ["raise", "exit", "end"])
def test_a_version_that_does_not_load_is_refused_in_words(tmp_path, how):
    from served_runners import make_crashing

    with at(tmp_path):
        vessl.register_model("crashing", None, make_crashing(how), {}, check=False)
        with pytest.raises(CannotServe) as refused:
            serve("crashing")
    assert {"raise": "no such luck", "exit": "SystemExit: 5", "end": "ended with status 5"}[how] in str(refused.value)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_was_accepted_is_answered_before_the_end(serve_from_shelf, number):
    server = serve_from_shelf("obedient", workers=2)
    processes = processes_of(server)
    slow = Talk(server.url)
    slow.send(request(json.dumps({"do": "sleep", "seconds": 0.7}).encode()))
    half = Talk(server.url)
    half.send(b"POST /predict HTTP/1.1\r\ncontent-le")
    idle = Talk(server.url)
    with Load(server.url, {}) as load:
        time.sleep(0.3)
        begun = time.monotonic()
        os.kill(server._process.pid, number)
        assert slow.reply().status == 200
        for thread in load._threads:
            thread.join()
    assert not load.broken
    assert set(load.statuses) == {200}
    wait_until(lambda: not alive(processes))
    assert time.monotonic() - begun < 15
    for talk in (slow, half, idle):
        talk.socket.close()
    with pytest.raises(OSError):
        Talk(server.url)


def test_a_second_interrupt_ends_a_server_at_once(serve_from_shelf):
    server = serve_from_shelf("obedient", timeout=60)
    processes = processes_of(server)
    with Talk(server.url) as talk:
        talk.send(request(json.dumps({"do": "sleep", "seconds": 60}).encode()))
        time.sleep(0.2)
        for _ in range(2):
            os.kill(server._process.pid, signal.SIGINT)
            time.sleep(0.5)
        wait_until(lambda: not alive(processes))


def test_what_a_runner_has_started_ends_with_its_worker(serve_from_shelf):
    server = serve_from_shelf("obedient", timeout=1)
    before = len(alive(processes_of(server)))
    assert post(server.url, {"do": "fork", "seconds": 60}).status == 200
    assert len(alive(processes_of(server))) == before + 1
    assert is_problem(post(server.url, {"do": "sleep", "seconds": 60}), 504)
    wait_until(lambda: len(alive(processes_of(server))) == before)
    assert post(server.url, {"do": "fork", "seconds": 60}).status == 200
    processes = alive(processes_of(server))
    assert len(processes) == before + 1
    server.stop()
    wait_until(lambda: not alive(processes))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system does it")
def test_a_process_that_outlives_its_worker_is_reaped_by_the_server(serve_from_shelf):
    server = serve_from_shelf("obedient")
    before = set(processes_of(server))
    assert post(server.url, {"do": "fork", "seconds": 60, "alone": True}).status == 200
    (child,) = set(processes_of(server)) - before
    assert post(server.url, {"do": "kill"}).status == 503
    wait_until(lambda: child.ppid() == server._process.pid)
    child.kill()
    wait_until(lambda: not child.is_running())  # which one that has ended still is, while nobody has reaped it
    assert post(server.url, {}).status == 200


def test_a_command_that_outlives_its_worker_does_not_hide_the_workers_end(serve_from_shelf):
    server = serve_from_shelf("obedient")
    assert post(server.url, {"do": "command", "command": "sleep 60 &"}).status == 200
    (worker,) = workers_of(server)
    worker.kill()
    wait_until(lambda: server.metadata()["server"]["restarts"] == 1)
    assert post(server.url, {}).status == 200


def test_a_runner_that_left_its_group_of_processes_is_ended_all_the_same(serve_from_shelf):
    server = serve_from_shelf("obedient", timeout=1)
    before = workers_of(server)
    assert is_problem(post(server.url, {"do": "leave its group"}), 504)
    wait_until(lambda: not alive(before))


def test_requests_that_waited_too_long_do_not_cost_the_worker_that_comes_to_them(serve_from_shelf):
    server = serve_from_shelf("obedient", timeout=3)
    asked = request(json.dumps({"do": "sleep", "seconds": 1.2}).encode())
    with contextlib.ExitStack() as stack:
        talks = [stack.enter_context(Talk(server.url)) for _ in range(5)]
        for talk in talks:
            talk.send(asked)
        assert [talk.reply().status for talk in talks] == [200, 200, 504, 504, 504]
    assert post(server.url, {}).status == 200
    assert server.metadata()["server"]["restarts"] == 0


def test_where_no_worker_can_be_made_requests_are_refused_at_once(tmp_path):
    with at(tmp_path):
        vessl.register_model("m", None, make_adder(), 0.0, sample={"x": [1.0]}, check=False)
        with serve("m", timeout=20) as server:
            (tmp_path / "registry").rename(tmp_path / "elsewhere")
            for process in psutil.Process(server._process.pid).children(recursive=True):
                process.kill()
            wait_until(lambda: get(server.url, "/health/ready").status == 503)
            wait_until(lambda: post(server.url, {"x": [1]}).headers.get("retry-after"), 30)
            began = time.monotonic()
            assert is_problem(post(server.url, {"x": [1]}), 503)
            assert time.monotonic() - began < 15
            assert get(server.url, "/metadata").status == 200
            (tmp_path / "elsewhere").rename(tmp_path / "registry")
            wait_until(lambda: post(server.url, {"x": [1]}).status == 200, 30)


def test_several_workers_share_the_processors(tmp_path):
    class Threads(vessl.RunnerBase):
        @staticmethod
        def predict(model, data):
            import os

            return dict(os.environ).get("OMP_" + "NUM_THREADS")

    processors = len(os.sched_getaffinity(0))
    with at(tmp_path):
        vessl.register_model("threads", None, Threads, {}, check=False)
        for workers, threads in ((1, os.environ.get("OMP_NUM_THREADS")), (processors, "1")):
            with serve("threads", workers=workers) as server:
                assert post(server.url, {}).json == threads


def test_workers_share_the_weights(tmp_path):
    torch = pytest.importorskip("torch")

    class Net(vessl.RunnerBase):
        @staticmethod
        def predict(model, data):
            return {"sum": float(model(torch.tensor(data["x"])).detach().sum())}

    with at(tmp_path):
        net = torch.nn.Linear(16, 1 << 20, bias=False)  # 64 MB
        vessl.register_model("net", None, Net, net, sample={"x": [1.0] * 16}, check=False)
        with serve("net", workers=4) as server:
            workers = workers_of(server)
            assert len(workers) == 4
            for _ in range(40):
                assert post(server.url, {"x": [1.0] * 16}).status == 200
            private = [worker.memory_full_info().uss for worker in workers]
    assert max(private) < 45_000_000


def test_workers_share_a_model_of_many_objects_though_they_collect_garbage(tmp_path):

    class Tables(vessl.RunnerBase):
        @staticmethod
        def predict(model, data):
            import gc

            gc.collect()
            return len(model)

    with at(tmp_path):
        tables = [[number] for number in range(1_000_000)]  # 96 MB
        vessl.register_model("tables", None, Tables, tables, check=False)
        with serve("tables", workers=2) as server:
            for _ in range(10):
                assert post(server.url, {}).status == 200
            private = [worker.memory_full_info().uss for worker in workers_of(server)]
    assert max(private) < 30_000_000


def test_a_network_that_was_used_while_it_loaded_answers_in_forked_workers(tmp_path):
    torch = pytest.importorskip("torch")

    class Warm(vessl.RunnerBase):
        @staticmethod
        def load_model(props, artifacts):
            net = torch.nn.Linear(512, 512)
            net(torch.ones(512, 512))  # starts the threads that torch computes with
            return net

        @staticmethod
        def predict(model, data):
            return float(model(torch.ones(512, 512)).detach().sum())

    with at(tmp_path):
        vessl.register_model("warm", None, Warm, {}, check=False)
        with serve("warm", workers=2, timeout=5) as server:
            assert [post(server.url, {}).status for _ in range(4)] == [200] * 4


def test_a_port_is_free_again_when_the_server_is_over(serve_from_shelf):
    first = serve_from_shelf("adder")
    port = int(first.url.rpartition(":")[2])
    first.stop()
    with socket.create_server(("127.0.0.1", port)):
        pass
    assert serve_from_shelf("adder", port=port).url == first.url
