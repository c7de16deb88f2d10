"""The magics of vessl_nb, all in one: what the extension registers, and ``%config VesslMagics`` sets."""

from __future__ import annotations

from vessl_nb.notebook.registry_magics import RegistryMagics
from vessl_nb.notebook.runner_magics import RunnerMagics
from vessl_nb.notebook.serve_magics import ServeMagics

_PARTS = (RunnerMagics, RegistryMagics, ServeMagics)


class VesslMagics(RunnerMagics, RegistryMagics, ServeMagics):
    """The magics of vessl_nb."""

    # What IPython's decorator of classes collects, it collects for each class apart.
    magics = {  # noqa: RUF012  # as IPython declares it
        kind: {name: magic for part in _PARTS for name, magic in part.magics[kind].items()} for kind in ("line", "cell")
    }
