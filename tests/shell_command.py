"""``vessl-nb`` as a shell runs it, for tests: another process, its exit status and its two streams."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

COMMAND = Path(sys.executable).parent / "vessl-nb"


def run(*arguments, given="", environment=None):
    """Run the command; gives what it said, with its exit status."""
    return subprocess.run(
        [COMMAND, *arguments], input=given, capture_output=True, text=not isinstance(given, bytes), check=False,
        env=os.environ | (environment or {}), timeout=60,
    )  # fmt: skip


def says(*arguments, **how):
    """Run a command that works; gives its standard output."""
    done = run(*arguments, **how)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def fails(*arguments, **how):
    """Run a command that fails; gives the lines on standard error."""
    done = run(*arguments, **how)
    assert (done.returncode, done.stdout) == (1, "")
    lines = done.stderr.splitlines() if isinstance(done.stderr, str) else done.stderr.decode().splitlines()
    assert 1 <= len(lines) <= 2, lines
    assert lines[0].startswith("vessl-nb: ")
    return [lines[0].removeprefix("vessl-nb: "), *lines[1:]]


def asked(*arguments, answer):
    """Run a command at a terminal, and type an answer; gives what it said, the question included."""
    ours, theirs = pty.openpty()
    try:
        os.write(ours, f"{answer}\n".encode())
        done = subprocess.run(
            [COMMAND, *arguments], stdin=theirs, capture_output=True, text=True, check=True, timeout=60
        )
    finally:
        os.close(ours)
        os.close(theirs)
    return done.stdout
