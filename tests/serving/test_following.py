"""A server of an alias: it goes where the alias goes, loses no request on the way, and stays where the new version fails."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import psutil
import pytest
from http_socket import Clients, Talk, get, post, request
from served_runners import make_adder, make_crashing, make_unsteady
from server_processes import alive, at, processes_of, wait_until

import vessl_nb as vessl
from vessl_nb.serving.launch import serve

SAMPLE = {"x": [1.0, 2.0]}


@pytest.fixture
def own(tmp_path):
    """Give a registry with two versions that answer, the first of which is the champion."""
    with at(tmp_path):
        vessl.register_model("m", None, make_adder(), 0.0, sample=SAMPLE, aliases=["champion"], check=False)
        vessl.register_model("m", None, make_adder(), 100.0, sample=SAMPLE, check=False)
        yield tmp_path


def serves_alias(url):
    """Read what an alert would be on."""
    lines = get(url, "/metrics").body.decode().splitlines()
    return [line.split()[1] for line in lines if line.startswith("vessl_serves_alias ")]


def version_of(url):
    return get(url, "/metadata").json["version"]["number"]


def refusal_of(server):
    return get(server.url, "/metadata").json["following"]["refused"]


class Watch(Clients):
    """Clients under whose requests an alias moves."""

    def __init__(self, url, clients=4):
        self.answers = []
        self._url = url
        super().__init__(clients)

    def _run(self):
        asked = request(json.dumps(SAMPLE).encode())
        with Talk(self._url) as talk:
            while not self._stop.is_set():
                begun = time.monotonic()
                talk.send(asked)
                try:
                    reply = talk.reply()
                except (OSError, EOFError) as error:
                    self.answers.append((begun, time.monotonic(), repr(error), None, None))
                    return
                said = reply.json
                self.answers.append(
                    (begun, time.monotonic(), reply.status, said.get("version"), reply.headers["vessl-version"])
                )


EAGER = """
from vessl_nb.serving import following
following._LOOK = 0.02
from vessl_nb.serving.options import Options
from vessl_nb.serving.server import serve_until_told
serve_until_told(Options(reference="m:champion", port=0, workers=2), lambda said: print(said.url, flush=True))
"""


@pytest.fixture
def eager(own):
    """Start a server that looks at its alias all the time; gives its process and its address."""
    running = subprocess.Popen(
        [sys.executable, "-c", EAGER], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    yield psutil.Process(running.pid), running.stdout.readline().strip()
    running.terminate()
    running.communicate()


def test_an_alias_that_moves_under_load_loses_no_request(eager):
    front, url = eager
    wait_until(lambda: len(front.children(recursive=True)) == 3)
    descriptors = front.num_fds()
    changes = [(0.0, 1)]
    with Watch(url, clients=2) as watch:
        for number in range(20):
            target = 2 if number % 2 == 0 else 1
            vessl.set_alias(f"m:{target}", "champion")
            changes.append((time.monotonic(), target))
            wait_until(lambda target=target: version_of(url) == target, 20)
        metadata = get(url, "/metadata").json
    wait_until(lambda: len(front.children(recursive=True)) == 3)
    wait_until(lambda: front.num_fds() <= descriptors + 2)
    statuses = [answer[2] for answer in watch.answers]
    assert statuses == [200] * len(statuses)
    assert len(statuses) > 100
    # What an answer says of its version is so, and the alias was there when it was asked, or just before.
    for begun, ended, _, added, reference in watch.answers:
        assert reference == ("m:1" if added == 0.0 else "m:2")
        number = 1 if added == 0.0 else 2
        had = [
            since
            for since, (at_, target) in zip([*(at_ for at_, _ in changes[1:]), ended], changes, strict=True)
            if target == number and at_ <= ended and since + 20 >= begun
        ]
        assert had
    assert {answer[3] for answer in watch.answers} == {0.0, 100.0}
    assert metadata["following"]["switched"]
    assert metadata["following"]["refused"] is None


def test_a_version_whose_example_fails_does_not_take_over_and_is_tried_again_when_the_alias_comes_back(own, tmp_path):
    steady = tmp_path / "steady.txt"
    steady.write_text("3")
    vessl.register_model("m", None, make_unsteady(), str(steady), sample=SAMPLE, check=False)
    steady.write_text("4")
    with serve("m:champion") as server:
        vessl.set_alias("m:3", "champion")
        wait_until(lambda: refusal_of(server), 20)
        refused = refusal_of(server)
        assert refused["reference"] == "m:3"
        assert "3" in refused["why"]
        assert version_of(server.url) == 1
        assert "m:3, but it does not take over" in server.logs()
        assert serves_alias(server.url) == ["0.0"]
        assert post(server.url, SAMPLE).json["version"] == 0.0
        assert len(alive(processes_of(server))) == 3
        steady.write_text("3")
        time.sleep(1.5)
        assert version_of(server.url) == 1  # it is not tried again and again
        vessl.set_alias("m:1", "champion")
        wait_until(lambda: refusal_of(server) is None)
        vessl.set_alias("m:3", "champion")
        wait_until(lambda: version_of(server.url) == 3, 20)
        assert post(server.url, SAMPLE).json["version"] == "unsteady"
        assert serves_alias(server.url) == ["1.0"]


def test_why_a_version_was_refused_says_no_path(own, tmp_path):
    missing = tmp_path / "gone.txt"
    missing.write_text("3")
    vessl.register_model("m", None, make_unsteady(), str(missing), sample=SAMPLE, check=False)
    missing.unlink()
    with serve("m:champion") as server:
        vessl.set_alias("m:3", "champion")
        wait_until(lambda: refusal_of(server), 20)
        body = get(server.url, "/metadata").body.decode()
        assert "gone.txt" in body
        assert str(tmp_path) not in body


def test_a_version_that_does_not_load_does_not_take_over(own):
    vessl.register_model("m", None, make_crashing("end"), {}, check=False)
    with serve("m:champion") as server:
        vessl.set_alias("m:3", "champion")
        wait_until(lambda: refusal_of(server), 20)
        assert "ended with status 5" in refusal_of(server)["why"]
        assert post(server.url, SAMPLE).json["version"] == 0.0
        vessl.set_alias("m:2", "champion")
        wait_until(lambda: version_of(server.url) == 2, 20)


def test_a_request_that_the_old_version_is_at_is_answered_by_it(tmp_path):
    class Slow(vessl.RunnerBase):
        @staticmethod
        def predict(model, data):
            import time

            time.sleep(data)
            return model

    with at(tmp_path):
        for model in (1, 2):
            vessl.register_model("slow", None, Slow, model, sample=0.0, check=False)
        vessl.set_alias("slow:1", "champion")
        with serve("slow:champion") as server:
            before = processes_of(server)
            with Talk(server.url) as talk:
                talk.send(request(b"8"))
                time.sleep(0.1)
                vessl.set_alias("slow:2", "champion")
                wait_until(lambda: version_of(server.url) == 2, 8)
                assert post(server.url, 0).json == 2
                reply = talk.reply()
            assert (reply.json, reply.headers["vessl-version"]) == (1, "slow:1")
            wait_until(lambda: len(alive(before)) == 1)


def test_what_runs_goes_on_when_the_registry_cannot_be_read(own):
    with serve("m:champion") as server:
        journal = own / "registry" / "journal"
        journal.rename(own / "elsewhere")
        wait_until(lambda: get(server.url, "/metadata").json["following"]["problem"])
        time.sleep(1.5)
        assert post(server.url, SAMPLE).status == 200
        assert server.logs().count("cannot be followed") <= 1
        assert get(server.url, "/metadata").json["following"]["problem"]
        assert serves_alias(server.url) == ["0.0"]
        (own / "elsewhere").rename(journal)
        vessl.set_alias("m:2", "champion")
        wait_until(lambda: version_of(server.url) == 2, 20)
        wait_until(lambda: not get(server.url, "/metadata").json["following"]["problem"])


def test_a_temporary_folder_that_was_cleared_away_is_made_again(own, monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with serve("m:champion") as server:
        (folder,) = [path for path in tmp_path.glob("vessl_nb-serve-*") if path.is_dir()]
        folder.rmdir()
        vessl.set_alias("m:2", "champion")
        wait_until(lambda: version_of(server.url) == 2, 20)
        assert post(server.url, SAMPLE).json["version"] == 100.0
    assert not list(tmp_path.glob("vessl_nb-serve-*"))


def test_a_version_that_did_not_load_is_tried_again(own, tmp_path):
    class Needs(vessl.RunnerBase):
        @staticmethod
        def load_model(props, artifacts):
            from pathlib import Path

            return Path(props["path"]).read_text()

        @staticmethod
        def predict(model, data):
            return {"sum": 0.0, "version": model}

    late = tmp_path / "late.txt"
    Needs.save_model = staticmethod(lambda model: {"path": model})
    vessl.register_model("m", None, Needs, str(late), check=False)
    with serve("m:champion") as server:
        vessl.set_alias("m:3", "champion")
        wait_until(lambda: refusal_of(server), 20)
        assert "Trying again in 5 s" in server.logs()
        assert post(server.url, SAMPLE).json["version"] == 0.0
        late.write_text("here")
        wait_until(lambda: version_of(server.url) == 3, 30)
        assert post(server.url, SAMPLE).json["version"] == "here"
        assert refusal_of(server) is None


def test_another_version_under_the_same_reference_is_a_new_one_to_who_follows_and_none_to_who_does_not(own, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    with at(elsewhere):
        for number in (7.0, 8.0):
            vessl.register_model("m", None, make_adder(), number, sample=SAMPLE, aliases=["champion"], check=False)
        vessl.set_alias("m:1", "champion")
    with serve("m:champion") as follower, serve("m:1") as other:
        assert post(follower.url, SAMPLE).json["version"] == post(other.url, SAMPLE).json["version"] == 0.0
        (own / "registry").rename(own / "before")
        (elsewhere / "registry").rename(own / "registry")
        wait_until(lambda: post(follower.url, SAMPLE).json["version"] == 7.0, 20)
        for process in psutil.Process(other._process.pid).children(recursive=True):
            process.kill()
        wait_until(lambda: "it was replaced" in other.logs(), 20)
        assert get(other.url, "/health/ready").status == 503


def test_a_version_that_the_alias_has_left_before_it_was_loaded_never_answers(own):
    class Slow(vessl.RunnerBase):
        @staticmethod
        def load_model(props, artifacts):
            import time

            time.sleep(4)
            return 7.0

        @staticmethod
        def predict(model, data):
            return {"sum": model, "version": model}

    vessl.register_model("m", None, Slow, {}, check=False)
    with serve("m:champion") as server:
        with Watch(server.url, 1) as watch:
            vessl.set_alias("m:3", "champion")
            time.sleep(2)
            vessl.set_alias("m:1", "champion")
            wait_until(lambda: "has left m:3" in server.logs())
            time.sleep(4)
        assert {version for *_, version in watch.answers} == {"m:1"}
        wait_until(lambda: len(alive(processes_of(server))) == 3)


def test_a_number_is_served_whatever_aliases_do(own):
    with serve("m:1") as server:
        vessl.set_alias("m:2", "champion")
        time.sleep(1.5)
        assert version_of(server.url) == 1
        assert server.metadata()["following"] is None
        assert serves_alias(server.url) == []


def test_a_version_that_takes_other_input_is_told_of_in_the_log_and_integers_are_none(own):
    class Named(vessl.RunnerBase):
        @staticmethod
        def predict(model, data):
            return data["name"]

    vessl.register_model("m", None, Named, 1, sample={"name": "a"}, check=False)
    vessl.register_model("m", 2, make_adder(), 100.0, sample={"x": [1, 2]}, check=False)
    with serve("m:champion") as server:
        vessl.set_alias("m:2", "champion")
        wait_until(lambda: version_of(server.url) == 2, 20)
        assert "WARNING" not in server.logs()
        vessl.set_alias("m:3", "champion")
        wait_until(lambda: version_of(server.url) == 3, 20)
        words = 'm:3 takes other input than m:2@2 did: {"name": string}, where it was {"x": [number, ...]}'
        assert words in server.logs()
        assert "follows m:champion" in get(server.url, "/docs").body.decode()
