"""Write the notebooks anew from their text: ``python notebooks/refresh.py [NAME ...]``.

The text (``NAME.py``) is the source; ``NAME.ipynb`` is the same with outputs, as GitHub shows them and as the tests
compare them. Each notebook runs in a kernel, a registry and a folder of its own.
"""

import os
import sys
import tempfile
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parent
NAMES = ("quickstart", "serving", "what_ships", "torch_model", "artifacts_and_props")


def refresh(name):
    notebook = jupytext.read(HERE / f"{name}.py")
    with tempfile.TemporaryDirectory() as scratch:
        places = {place: f"{scratch}/{place}" for place in ("VESSL_NB_REGISTRY", "VESSL_NB_CACHE", "IPYTHONDIR")}
        NotebookClient(
            notebook,
            kernel_name="python3",
            record_timing=False,
            store_widget_state=False,  # a saved one is of no use without its kernel
            coalesce_streams=True,  # what is printed arrives in pieces, others in each run
            extra_arguments=["--log-level=ERROR"],  # ipykernel 7.4 warns of TCP, on a machine's own loopback too
            resources={"metadata": {"path": scratch}},
        ).execute(env={**os.environ, **places, "TMPDIR": scratch})
    # The kernel's version of Python would differ from machine to machine.
    notebook.metadata["language_info"] = {"name": "python"}
    for number, cell in enumerate(notebook.cells):
        cell.id = f"{name}-{number}"
        cell.metadata.pop("lines_to_next_cell", None)
    nbformat.validate(notebook)
    nbformat.write(notebook, HERE / f"{name}.ipynb")


if __name__ == "__main__":
    for name in sys.argv[1:] or NAMES:
        refresh(name)
