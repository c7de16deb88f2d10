"""``%load_ext vessl_nb`` and ``%unload_ext vessl_nb``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vessl_nb.notebook.cell_history import unwatch_cells, watch_cells
from vessl_nb.notebook.completion import make_matcher
from vessl_nb.notebook.magics import VesslMagics

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

_IDENTIFIER = "vessl_nb"


def load_extension(shell: InteractiveShell) -> None:
    """Register the magics, their completion, and the memory of cells; a second time replaces the first."""
    unload_extension(shell)
    magics = VesslMagics(shell)
    shell.register_magics(magics)
    shell.Completer.custom_matchers.append(make_matcher(magics))
    watch_cells(shell)


def unload_extension(shell: InteractiveShell) -> None:
    """Take the magics, their completion and the hook away."""
    unwatch_cells(shell)
    names = VesslMagics.magics
    for kind in ("line", "cell"):
        for name in names[kind]:
            shell.magics_manager.magics[kind].pop(name, None)
    shell.magics_manager.registry.pop(VesslMagics.__name__, None)
    configurables: list[Any] = shell.configurables  # every Magics adds itself
    configurables[:] = [part for part in configurables if not isinstance(part, VesslMagics)]
    matchers = shell.Completer.custom_matchers
    matchers[:] = [matcher for matcher in matchers if getattr(matcher, "matcher_identifier", None) != _IDENTIFIER]
