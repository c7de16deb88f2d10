"""``vessl-nb demo``: the quickstart notebook, run in a real kernel."""

from __future__ import annotations

import shutil
import sys
import sysconfig
from pathlib import Path
from typing import Any

from tqdm import tqdm

from vessl_nb.errors import NotFound, VesslError

NOTEBOOK = "quickstart.ipynb"


class DemoFailed(VesslError):
    """A cell of the quickstart failed."""


def run_demo(folder: Path) -> None:
    """Copy the quickstart notebook into a folder, run it there, and print what a user sees in it.

    Its registry is the user's own, as it is for the notebook opened in JupyterLab afterwards.

    Parameters
    ----------
    folder
        Where the notebook goes; it is made. A notebook that is there already is run as it is.

    Raises
    ------
    NotFound
        The packages that the quickstart needs are not installed, or the notebook was not installed with this package.
    DemoFailed
        A cell failed.
    """
    try:
        import nbformat  # noqa: PLC0415  # nbformat and nbclient take 3.5 s, and come with the extra `demo`
        import sklearn  # noqa: F401, PLC0415  # only to know
        from nbclient import NotebookClient  # noqa: PLC0415
        from nbclient.exceptions import CellExecutionError  # noqa: PLC0415
    except ImportError as error:
        raise NotFound(
            f"The demo needs the package {error.name!r}, which is not installed.", 'pip install "vessl_nb[demo]"'
        ) from None
    target = folder / NOTEBOOK
    if not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(_find_notebook(), target)
    notebook = nbformat.read(target, as_version=4)
    code_cells = sum(cell.cell_type == "code" for cell in notebook.cells)
    with tqdm(total=code_cells, desc="quickstart", unit="cell", file=sys.stderr) as progress:

        def show(cell: Any, cell_index: int, execute_reply: Any) -> None:  # noqa: ARG001  # nbclient names them
            progress.update()
            with tqdm.external_write_mode(file=sys.stdout):
                print(_as_text(cell))  # noqa: T201  # a command prints

        client = NotebookClient(
            notebook, kernel_name="python3", resources={"metadata": {"path": str(folder)}}, on_cell_executed=show
        )
        try:
            client.execute()
        except CellExecutionError as error:
            raise DemoFailed(f"A cell of {target} failed: {error.ename}: {error.evalue}") from None
    nbformat.write(notebook, target)
    print(  # noqa: T201  # as above
        f"\nThe notebook, as it ran: {target}\n"
        f"Open it:                 pip install jupyterlab && jupyter lab {target}\n"
        f"Its versions:            vessl-nb list digits"
    )


def _find_notebook() -> Path:
    """Find the quickstart: beside the package in a checkout, else where the wheel put it."""
    places = (
        Path(__file__).parent.parent / "notebooks" / NOTEBOOK,
        Path(sysconfig.get_path("data")) / "share" / "vessl_nb" / "notebooks" / NOTEBOOK,
    )
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise NotFound(f"{NOTEBOOK} was not found (looked in {places[1].parent}).", "Install vessl_nb again.")
    return found


def _as_text(cell: Any) -> str:
    """Write a code cell and its outputs as a terminal shows them."""
    first, *rest = cell.source.splitlines() or [""]
    lines = ["", f"\N{HEAVY RIGHT-POINTING ANGLE QUOTATION MARK ORNAMENT} {first}", *(f"  {line}" for line in rest)]
    for output in cell.get("outputs", []):
        text = output.get("text") or output.get("data", {}).get("text/plain", "")
        lines += ["", text.rstrip()] if text else []
    return "\n".join(lines)
