"""``%load_ext vessl_nb`` and ``%unload_ext vessl_nb``."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from vessl_nb.notebook.cell_history import unwatch_cells, watch_cells
from vessl_nb.notebook.completion import make_matcher
from vessl_nb.notebook.magics import VesslMagics
from vessl_nb.notebook.serve_magics import stop_servers

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from vessl_nb.serving.launch import Server

_IDENTIFIER = "vessl_nb"
_SERVER = ("vessl_nb.serving.launch", "Server")


def load_extension(shell: InteractiveShell) -> None:
    """Register the magics, their completion, the panel of servers, and the memory of cells; again, it replaces them."""
    _take_away(shell)
    magics = VesslMagics(shell)
    shell.register_magics(magics)
    shell.Completer.custom_matchers.append(make_matcher(magics))
    # By its name: most notebooks have no server, and need nothing of it.
    _formatter(shell).for_type_by_name(*_SERVER, partial(_show_server, magics))
    watch_cells(shell)


def unload_extension(shell: InteractiveShell) -> None:
    """Stop the servers, and take the magics, their completion, the panel and the hook away."""
    stop_servers()
    _take_away(shell)


def _show_server(magics: VesslMagics, server: Server) -> tuple[dict[str, str], dict[str, str]] | dict[str, str]:
    """Give the faces of a server: its panel, where widgets are drawn."""
    if magics.live and getattr(magics.shell, "kernel", None) is not None:
        from vessl_nb.notebook.serve_panel import panel_of  # noqa: PLC0415  # widgets take a quarter of a second

        return panel_of(server)._repr_mimebundle_()  # what IPython would call
    from vessl_nb.faces.server import server_html, server_text  # noqa: PLC0415  # as quick as above
    from vessl_nb.serving.shown import face_of  # noqa: PLC0415  # as above

    face = face_of(server)
    return {"text/plain": server_text(face), "text/html": server_html(face)}


def _take_away(shell: InteractiveShell) -> None:
    unwatch_cells(shell)
    formatter = _formatter(shell)
    formatter.deferred_printers.pop(_SERVER, None)  # once one was shown, it is no longer deferred
    if launch := sys.modules.get(_SERVER[0]):
        formatter.type_printers.pop(launch.Server, None)
    names = VesslMagics.magics
    for kind in ("line", "cell"):
        for name in names[kind]:
            shell.magics_manager.magics[kind].pop(name, None)
    shell.magics_manager.registry.pop(VesslMagics.__name__, None)
    configurables: list[Any] = shell.configurables  # every Magics adds itself
    configurables[:] = [part for part in configurables if not isinstance(part, VesslMagics)]
    matchers = shell.Completer.custom_matchers
    matchers[:] = [matcher for matcher in matchers if getattr(matcher, "matcher_identifier", None) != _IDENTIFIER]


def _formatter(shell: InteractiveShell) -> Any:
    formatter: Any = shell.display_formatter  # typed as if it could be None
    return formatter.mimebundle_formatter
