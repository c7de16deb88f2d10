"""How the notebook feels, against its goals: python tests/benchmarks/notebook.py

What a preview adds to running the stages, in a real kernel; how soon a table of 10,000 versions is there, in the kernel
and in a real JupyterLab in Chromium, where the browser itself measures from a click to the row; how large what is shown
is. A full run takes about three minutes, and needs 3 GB of memory, torch, pillow
and, for the rows in the browser, /usr/bin/chromium. Nothing is asserted: machines differ, and the table is to be read.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from notebook_parts.browsing import COUNT, measure_browsing
from notebook_parts.kernels import start_kernel

if TYPE_CHECKING:
    from collections.abc import Callable

MS = 1e-3
KB = 1e3
MB = 1e6
KERNELS = 5
IMPORTS = 10
PARTS = ("previews", "kernels", "browser")


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Attributes
    ----------
    work
        As the table says it.
    figure
        Which figure it shows, in seconds, bytes or, where it is a count, as it is.
    limit
        The goal; None for a figure that is only to be known.
    unit
        What it is shown in; 1 for a count.
    beside
        Other figures that are shown beside it, each with what it is called.
    share
        By how many the figure is divided before it is held against the goal.
    """

    work: str
    figure: str
    limit: float | None
    unit: float = MS
    beside: tuple[tuple[str, str], ...] = ()
    share: int = 1


def _preview(work: str, figure: str, share: int = 1) -> Row:
    beside = ((f"{figure}_processor", "processor"), (f"{figure}_bare", "bare stages"))
    return Row(work, figure, 30 * MS, beside=beside, share=share)


ROWS = [
    Row("a preview adds to the stages", "", None),
    _preview("  small dicts", "small"),
    _preview("  a frame of 1e6 rows, four times over", "frame"),
    _preview("  a numpy array of 1e8, four times over", "array"),
    _preview("    every 7th NaN", "array_nan"),
    _preview("    float16", "array_half"),
    _preview("    strided both ways", "array_strided"),
    _preview("  a tensor of 1e8, four times over", "tensor"),
    _preview("    every 7th NaN", "tensor_nan"),
    _preview("    float16", "tensor_half"),
    _preview("    strided both ways", "tensor_strided"),
    _preview("    complex, conjugated in name only", "tensor_conjugate"),
    _preview("  an array of 224 x 224 x 3, four times over", "square"),
    _preview("  a JPEG of 2 MP, its tensor, 1,000 classes", "jpeg"),
    _preview("  a JPEG of 12 MP, its tensor, 1,000 classes", "jpeg_large"),
    _preview("  a PNG of 0.5 MP, its tensor, 1,000 classes", "png"),
    _preview("  a PIL image of 2 MP, four times over", "image"),
    _preview("  JSON of 1e5 nodes, four times over", "nested"),
    _preview("  20 samples, small dicts", "samples"),
    _preview("  20 samples, 224 x 224 x 3, for each of them", "samples_square", 20),
    Row("  the first of a kernel, with its imports", "preview_first", None),
    Row("memory it takes: a tensor of 1e8", "tensor_memory", 10 * MB, MB),
    Row("  a numpy array of 1e8, strided", "array_strided_memory", 10 * MB, MB),
    Row("  a tensor, conjugated in name only", "tensor_conjugate_memory", 10 * MB, MB),
    Row("  a frame of 1e6 rows", "frame_memory", 10 * MB, MB),
    Row("%vessl_preview adds, captures and changes too", "", None),
    Row("  small dicts", "magic_small", 30 * MS, beside=(("magic_small_processor", "processor"),)),
    Row("  a frame of 1e6 rows, four times over", "magic_frame", 30 * MS, beside=(("magic_frame_processor", "processor"),)),
    Row("  a tensor of 1e8, four times over", "magic_tensor", 30 * MS, beside=(("magic_tensor_processor", "processor"),)),
    Row("  JSON of 1e5 nodes, four times over", "magic_nested", 30 * MS, beside=(("magic_nested_processor", "processor"),)),
    Row("import vessl_nb", "import", None),
    Row("%load_ext vessl_nb", "load_ext", 100 * MS),
    Row("widget packages imported before one is shown", "widgets_early", 0, 1),
    Row(f"table of {COUNT:,}, in the kernel, shown again", "table_warm", 150 * MS),
    Row("  the first of the repository", "table_cold", 150 * MS),
    Row("  the first widget of the kernel: its imports", "table_import", None),
    Row("  a page, in the browser", "page", 100 * MS, beside=(("page_painted", "painted"),)),
    Row("  a sort, in the browser", "sort", 100 * MS, beside=(("sort_painted", "painted"),)),
    Row("  from running its cell to its first row", "shown", None),
    Row("register form, in the kernel", "form", None),
    Row("state of the table", "table_state", 40 * KB, KB),
    Row("state of the form: its largest widget", "form_state", 40 * KB, KB),
    Row("HTML of a preview: small dicts", "small_html", 60 * KB, KB),
    Row("  the largest of those above", "largest_html", 60 * KB, KB),
    Row("  20 samples with pictures", "samples_square_html", 60 * KB, KB),
    Row("  what a runner takes along", "captures_html", 60 * KB, KB),
    Row(f"  the table of {COUNT:,}", "table_html", 60 * KB, KB),
    Row("  the form", "form_html", 60 * KB, KB),
]  # fmt: skip

Figures = dict[str, list[float]]


def measure_previews() -> Figures:
    """Measure previews in a kernel."""
    with start_kernel() as kernel:
        figures = kernel.run_script("previews")
    html = [values[0] for name, values in figures.items() if name.endswith("_html")]
    return figures | {"largest_html": [max(html)]}


def measure_kernels() -> Figures:
    """Measure in kernels that have just started what is done once in each; and the import in fresh interpreters."""
    script = "import time; t = time.perf_counter(); import vessl_nb; print(time.perf_counter() - t)"
    figures: Figures = defaultdict(list)
    figures["import"] = [float(subprocess.check_output([sys.executable, "-c", script])) for _ in range(IMPORTS)]
    for _ in range(KERNELS):
        with start_kernel() as kernel:
            for name, values in kernel.run_script("tables").items():
                figures[name] += values
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="some parts of it")
    parts = parser.parse_args().only
    works: dict[str, Callable[[], Figures]] = dict(
        zip(PARTS, (measure_previews, measure_kernels, measure_browsing), strict=True)
    )
    figures: Figures = {}
    with tempfile.TemporaryDirectory(prefix="vessl_nb-notebook-") as folder:
        os.environ["VESSL_NB_REGISTRY"], os.environ["VESSL_NB_CACHE"] = f"{folder}/registry", f"{folder}/cache"
        os.environ["IPYTHONDIR"] = f"{folder}/ipython"
        _write_versions()
        for part in parts:
            figures |= works[part]()
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}; "
        f"Python {platform.python_version()}; load {os.getloadavg()[0]:.1f}\n"
    )
    _print_table(figures)
    print("\nratio: of the median to the goal; met by the median. first: with what only the first one does.")
    print("processor: how long the processor worked for it, which says more than the clock where others use it too.")


def _write_versions() -> None:
    """Write the repository in a process of its own, and list it there once: a checkpoint is what others find."""
    tests = str(Path(__file__).parents[1])
    code = f"import sys; sys.path.insert(0, {tests!r}); from many_versions import write_versions; "
    code += f"write_versions('iris', {COUNT}); import vessl_nb; len(vessl_nb.versions('iris'))"
    subprocess.run([sys.executable, "-c", code], check=True)


def _print_table(figures: Figures) -> None:
    _print_line("work", "goal", "best", "median", "first", "ratio", "met", "of")
    for row in ROWS:
        values = [value / row.share for value in figures.get(row.figure, [])]
        if not row.figure:
            print(row.work)
        elif values:
            _print_row(row, values, figures)


def _print_row(row: Row, values: list[float], figures: Figures) -> None:
    median = statistics.median(values)
    goal = "" if row.limit is None else f"under {_shown(row.limit, row)}" if row.limit else "none"
    beside = [f"{word} {_shown(statistics.median(figures[name]) / row.share, row)}" for name, word in row.beside]
    is_met = row.limit is not None and (median < row.limit if row.limit else not median)
    _print_line(
        row.work,
        goal,
        _shown(min(values), row),
        _shown(median, row),
        _shown(values[0], row),
        f"{median / row.limit:.2f} x" if row.limit else "",
        "" if row.limit is None else "yes" if is_met else "no",
        "; ".join([f"{len(values)}", *beside]),
    )


def _shown(value: float, row: Row) -> str:
    number = value / row.unit
    return f"{number:,.{0 if row.unit == 1 or number >= 100 else 1}f} {_UNITS[row.unit]}".strip()


_UNITS = {MS: "ms", KB: "KB", MB: "MB", 1: ""}


def _print_line(*cells: str) -> None:
    work, goal, best, median, first, ratio, met, of = cells
    print(f"{work:<48}{goal:<15}{best:>10}{median:>10}{first:>10}{ratio:>9}  {met:<4} {of}".rstrip())


if __name__ == "__main__":
    main()
