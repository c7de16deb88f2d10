"""``vessl-nb demo``: the quickstart notebook, run in a real kernel."""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
import sys
import sysconfig
from pathlib import Path
from typing import Any

from tqdm import tqdm

from vessl_nb.errors import InvalidArgument, NotFound, VesslError

NOTEBOOK = "quickstart.ipynb"

_PACKAGES = {"nbformat": "nbformat", "nbclient": "nbclient", "sklearn": "scikit-learn"}
"""What the demo needs beyond vessl_nb itself: modules, and the packages that they come in."""

_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


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
    InvalidArgument
        The notebook cannot be put into this folder.
    DemoFailed
        A cell failed, or its kernel died.
    """
    # They come with the extra `demo`, and take seconds to import: first a look whether they are there.
    missing = [package for module, package in _PACKAGES.items() if importlib.util.find_spec(module) is None]
    if missing:
        packages = " ".join(missing)
        raise NotFound(f"The demo needs what is not installed here: {packages}.", f"pip install {packages}")
    import nbformat  # noqa: PLC0415  # as above

    path = _put_notebook(folder)
    try:
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
    except Exception:  # noqa: BLE001  # nbformat raises whatever it stumbles over
        raise InvalidArgument(f"{path} is no notebook.", "Delete it, and run the demo again.") from None
    _run(notebook, path)
    nbformat.write(notebook, path)
    install = "" if importlib.util.find_spec("jupyterlab") else "pip install jupyterlab && "
    _say(
        "\nThis notebook lies in your folder, and its versions in your registry.\n"
        f"  Open it    {install}jupyter lab {shlex.quote(str(path))}\n"
        "  List them  vessl-nb list digits\n"
        "  Show one   vessl-nb show digits:champion"
    )


def _put_notebook(folder: Path) -> Path:
    """Copy the quickstart into the folder, where there is none yet."""
    path = folder / NOTEBOOK
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            shutil.copyfile(_find_notebook(), path)
    except OSError as error:
        raise InvalidArgument(
            f"The demo's notebook cannot be put into {folder}: {error.strerror}.", "Name another: --folder DIR"
        ) from None
    return path


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


def _run(notebook: Any, path: Path) -> None:
    """Run a notebook's cells, printing each with its outputs as it is done; the progress bar stays below them."""
    from nbclient import NotebookClient  # noqa: PLC0415  # see run_demo
    from nbclient.exceptions import CellExecutionError, DeadKernelError  # noqa: PLC0415

    code_cells = sum(cell.cell_type == "code" for cell in notebook.cells)
    with tqdm(total=code_cells, desc="quickstart", unit="cell", file=sys.stderr) as progress:

        def show_heading(cell: Any, cell_index: int) -> None:  # noqa: ARG001  # nbclient names them
            if cell.cell_type == "markdown" and cell.source.startswith("#"):
                _say_above(_heading(cell.source), progress)

        def show_code(cell: Any, cell_index: int, execute_reply: Any) -> None:  # noqa: ARG001  # as above
            _say_above(_code(cell.source) + "".join(f"\n{_output(output)}" for output in cell.outputs), progress)
            progress.update()

        client = NotebookClient(
            notebook,
            kernel_name="python3",
            record_timing=False,
            resources={"metadata": {"path": str(path.parent)}},
            extra_arguments=["--log-level=ERROR"],  # ipykernel 7.4 warns in the terminal that it listens on TCP
            on_cell_start=show_heading,
            on_cell_executed=show_code,
        )
        try:
            client.execute()
        except CellExecutionError as error:
            said = f"{error.ename}: {error.evalue}".splitlines()[0]
            raise DemoFailed(
                f"A cell of {path} failed: {said}",
                "The lines above show it. Delete the notebook to begin with a fresh one.",
            ) from None
        except DeadKernelError:
            raise DemoFailed(f"The kernel that ran {path} died.", "Run the demo again.") from None


def _say_above(text: str, progress: Any) -> None:
    """Print above the progress bar."""
    with progress.external_write_mode(file=sys.stdout):
        _say(text)


def _heading(source: str) -> str:
    title = source.partition("\n")[0].lstrip("# ")
    return f"\n{title}\n{'─' * len(title)}"


def _code(source: str) -> str:
    first, *rest = source.splitlines() or [""]
    return "\n".join([f"\n❯ {first}", *(f"  {line}".rstrip() for line in rest)])  # noqa: RUF001  # a prompt


def _output(output: Any) -> str:
    """Write an output as a terminal shows it: its text, without colours."""
    if output.output_type == "error":
        text = "\n".join(output.traceback)
    else:
        text = output.text if output.output_type == "stream" else output.data.get("text/plain", "")
    return _ESCAPES.sub("", text).rstrip()


def _say(text: str) -> None:
    print(text)  # noqa: T201  # a command prints
