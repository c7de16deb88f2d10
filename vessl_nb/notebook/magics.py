"""The magics of vessl_nb, all in one: what the extension registers, and ``%config VesslMagics`` sets."""

from __future__ import annotations

from vessl_nb.notebook.registry_magics import RegistryMagics
from vessl_nb.notebook.runner_magics import RunnerMagics


class VesslMagics(RunnerMagics, RegistryMagics):
    """The magics of vessl_nb."""

    # What IPython's decorator of classes collects, it collects for each class apart.
    magics = {kind: RunnerMagics.magics[kind] | RegistryMagics.magics[kind] for kind in ("line", "cell")}  # noqa: RUF012  # as IPython declares it
