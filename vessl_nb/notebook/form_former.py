"""The forms that a cell made before it was run again: nobody sees them any more."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Protocol

from vessl_nb.notebook.running_cells import cell_that_runs

if TYPE_CHECKING:
    from IPython.core.interactiveshell import ExecutionInfo

_OF_CELL: dict[str, tuple[weakref.ref[ExecutionInfo], list[Form]]] = {}


class Form(Protocol):
    """What is asked of a form."""

    @property
    def is_busy(self) -> bool:
        """Whether there is work of it that did not end."""

    def close(self) -> None:
        """Take it away."""


def close_former(form: Form) -> None:
    """Close the forms that the cell which makes this one made when it was run before.

    One that is at work is left to end it.

    Parameters
    ----------
    form
        The new one, which stands in their place.
    """
    cell = cell_that_runs()
    if cell is None or not cell.cell_id:  # not every front end says which cell it is
        return
    run, forms = _OF_CELL.get(cell.cell_id, (None, []))
    if run is None or run() is not cell:
        for former in forms:
            if not former.is_busy:
                former.close()
        forms = [former for former in forms if former.is_busy]
    _OF_CELL[cell.cell_id] = (weakref.ref(cell), [*forms, form])
