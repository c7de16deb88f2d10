"""The bar that appears once work takes long enough: on a terminal and in a notebook, and nowhere else."""

from __future__ import annotations

import os
import subprocess
import sys
import termios

import pytest

WORK = """
import time
from vessl_nb import progress
progress.PATIENCE = {patience}
with progress.progress("Storing", 3_000_000) as shown:
    for _ in range(3):
        time.sleep(0.15)
        shown.count(1_000_000)
        shown.draw()
print("done")
"""


def stderr_on_a_terminal(script):
    """Run a script whose standard error is a terminal, and give what was written there."""
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    try:
        process = subprocess.Popen([sys.executable, "-c", script], stderr=theirs, stdout=subprocess.DEVNULL)
        assert process.wait(60) == 0
        os.close(theirs)
        said = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # Linux says so at the end
                break
            if not part:
                break
            said += part
        return said.decode()
    finally:
        os.close(ours)


def test_a_terminal_shows_bytes_and_rate():
    said = stderr_on_a_terminal(WORK.format(patience=0.1))
    assert "Storing" in said
    assert "/3.00M" in said
    assert "B/s" in said


def test_work_that_is_soon_done_shows_nothing():
    assert stderr_on_a_terminal(WORK.format(patience=60)) == ""


def test_a_log_is_left_alone():
    done = subprocess.run([sys.executable, "-c", WORK.format(patience=0)], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("done\n", "")


def test_what_threads_count_is_drawn_by_the_one_that_waits(monkeypatch):
    from concurrent.futures import ThreadPoolExecutor

    from vessl_nb import progress

    monkeypatch.setattr(progress, "PATIENCE", 0)
    monkeypatch.setattr(progress, "_is_watched", lambda: True)
    with progress.progress("Storing", 4000) as shown:
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(shown.count, [1] * 4000))
        shown.draw()
        assert shown._bar.n == 4000


@pytest.mark.parametrize("fails", [False, True])
def test_the_bar_is_taken_away_even_where_the_work_fails(monkeypatch, fails):
    from vessl_nb import progress

    monkeypatch.setattr(progress, "PATIENCE", 0)
    monkeypatch.setattr(progress, "_is_watched", lambda: True)
    closed = []
    monkeypatch.setattr(progress.Progress, "close", lambda self: closed.append(self._bar is not None))
    try:
        with progress.progress("Storing", 10) as shown:
            shown.count(5)
            shown.draw()
            bar = shown._bar
            if fails:
                raise OSError
    except OSError:
        assert fails
    bar.close()
    assert closed == [True]
