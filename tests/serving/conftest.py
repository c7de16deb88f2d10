"""A registry of runners to serve, and servers that many tests share."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
from server_processes import at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from vessl_nb.serving.launch import Server


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Register the runners that are served, once."""
    from served_runners import samples

    import vessl_nb as vessl

    folder = tmp_path_factory.mktemp("shelf")
    with at(folder):
        for name, (runner, model, sample) in samples().items():
            vessl.register_model(name, None, runner, model, sample=sample, aliases=["champion"], check=False)
    return folder


@pytest.fixture
def serve_from_shelf(shelf: Path) -> Iterator[Callable[..., Server]]:
    """Give a function that starts a server, which ends with the test."""
    from vessl_nb.serving.launch import serve

    with contextlib.ExitStack() as stack:

        def start(reference: str, **how: object) -> Server:
            with at(shelf):
                return stack.enter_context(serve(reference, **how))

        yield start


def _shared(name: str, **how: object):
    @pytest.fixture(scope="module", name=name)
    def fixture(shelf: Path) -> Iterator[Server]:
        from vessl_nb.serving.launch import serve

        with at(shelf):
            server = serve(name, **how)
        with server:
            yield server

    return fixture


adder = _shared("adder", workers=2)
obedient = _shared("obedient", workers=2, timeout=1.5, queue=4)
