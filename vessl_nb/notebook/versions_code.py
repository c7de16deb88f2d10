"""The code of a cell that loads a version, as it runs in this notebook."""

from __future__ import annotations

import sys
from typing import Any

from IPython.core.getipython import get_ipython


def loading_code(reference: str) -> str:
    """Write the code that loads a version, by the name that the notebook has for vessl_nb.

    Parameters
    ----------
    reference
        The version, such as ``iris:3``.

    Returns
    -------
    str
        One line; where the notebook has no name for vessl_nb yet, its import stands above.
    """
    shell = get_ipython()
    variables: dict[str, Any] = shell.user_ns if shell else {}
    module = sys.modules["vessl_nb"]
    name = next((name for name, value in [*variables.items()] if value is module and not name.startswith("_")), "")
    line = f'model = {name or "vessl_nb"}.load("{reference}")'
    return line if name else f"import vessl_nb\n\n{line}"
