"""Rows and lists of JSON as pandas' frames, series and indexes, with the columns and dtypes that the sample had."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from vessl_nb.faces.words import one_line
from vessl_nb.serving.misfits import Misfit
from vessl_nb.serving.problems import short
from vessl_nb.values.encoding import decode
from vessl_nb.values.family import library

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vessl_nb.serving.revived_leaves import Reviver


_MOST_CATEGORIES = 10


def make_frame_reviver(schema: dict[str, Any], examples: Sequence[Any], revive_cells: dict[str, Reviver]) -> Reviver:
    """Make what revives a frame; its rows are numbered from 0, and what no sample had is left out.

    Parameters
    ----------
    schema
        With ``x-columns``, where they are known.
    examples
        What the samples have in its place, encoded: the first with these columns says what their labels and dtypes are.
    revive_cells
        Revives the cells of a column, by its name; times are pandas' own to read.
    """
    pd = library("pandas")
    names: list[str] | None = schema.get("x-columns")
    required = set(schema.get("items", {}).get("required", ()))
    frames = (decode(each) for each in examples if isinstance(each, dict) and each.get("$type") == "pandas.DataFrame")
    sample = next((frame for frame in frames if [str(label) for label in frame.columns] == names), None)
    dtypes = dict(zip(names or (), () if sample is None else sample.dtypes, strict=False))

    def revive(rows: list[dict[str, Any]]) -> Any:
        if names is None:
            return _guarded(partial(pd.DataFrame, rows))
        # A column that a sample lacked is there if it is sent.
        there = [name for name in names if name in required or not rows or any(name in row for row in rows)]
        columns = {}
        for place, name in enumerate(there):
            cells = [row.get(name) for row in rows]
            if name in revive_cells:
                cells = _revived(cells, name, revive_cells[name])
            columns[place] = _guarded(partial(make_column, pd, cells, dtypes.get(name)), name)
        frame = pd.DataFrame(columns, index=range(len(rows)))
        frame.columns = sample.columns if sample is not None and there == names else pd.Index(there)
        return frame

    return revive


def make_column_reviver(schema: dict[str, Any], examples: Sequence[Any], revive_item: Reviver | None) -> Reviver:
    """Make what revives a series, numbered from 0, or an index.

    Parameters
    ----------
    schema
        Its ``x-type`` is ``pandas.Series`` or ``pandas.Index``.
    examples
        What the samples have in its place, encoded: the first says its name and dtype.
    revive_item
        Revives an item.
    """
    pd = library("pandas")
    kind = pd.Series if schema["x-type"] == "pandas.Series" else pd.Index
    found = (decode(each) for each in examples if isinstance(each, dict) and "$type" in each)
    sample = next((each for each in found if isinstance(each, kind)), None)
    name, dtype = (None, None) if sample is None else (sample.name, sample.dtype)

    def revive(items: list[Any]) -> Any:
        if isinstance(sample, pd.MultiIndex):
            return _guarded(lambda: pd.MultiIndex.from_tuples(map(tuple, items), names=sample.names))
        if revive_item is not None:
            items = [_revived([item], number, revive_item)[0] for number, item in enumerate(items)]
        column = _guarded(partial(make_column, pd, items, dtype))
        return kind(column.array, dtype=column.dtype, name=name)

    return revive


def make_column(pd: Any, cells: list[Any], dtype: Any) -> Any:
    """Make a series of a dtype; None for whichever pandas makes of the cells.

    Raises
    ------
    Exception
        The cells do not fit; whatever pandas raises.
    """
    if dtype is None:
        return pd.Series(cells, dtype=None if cells else object)
    if dtype.kind == "M":
        # In UTC first: texts of several offsets are one column only so.
        times = pd.to_datetime(pd.Series(cells, dtype=object), utc=True, format="ISO8601")
        zone = getattr(dtype, "tz", None)
        return (times.dt.tz_localize(None) if zone is None else times.dt.tz_convert(zone)).astype(dtype)
    if dtype.kind == "m":
        return pd.to_timedelta(pd.Series(cells, dtype=object)).astype(dtype)
    if isinstance(dtype, pd.CategoricalDtype):
        return _make_categorical(pd, cells, dtype)
    return pd.Series(cells, dtype=dtype)


def _make_categorical(pd: Any, cells: list[Any], dtype: Any) -> Any:
    """Make a series of categories; of a cell that is none of them pandas itself would only leave a gap."""
    categories = dtype.categories
    known, values = set(categories), cells
    if categories.dtype.kind in "mM":
        values = list(make_column(pd, cells, categories.dtype))
    for number, (cell, value) in enumerate(zip(cells, values, strict=True)):
        if cell is not None and value not in known:
            told = one_line(", ".join(map(str, categories[:_MOST_CATEGORIES])), 100)
            misfit = Misfit(f"must be one of the sample's categories ({told}); it is {short(cell)}")
            misfit.steps.append(number)
            raise misfit
    return pd.Series(values, dtype=dtype)


def _guarded(make: Callable[[], Any], *steps: str | int) -> Any:
    try:
        return make()
    except Misfit as misfit:  # in a row of the column
        misfit.steps[:0] = steps
        raise
    except Exception as error:
        whole = Misfit(f"cannot be made what it was in the sample: {one_line(str(error), 120)}")
        whole.steps.extend(steps)
        raise whole from error


def _revived(cells: list[Any], name: str | int, revive: Reviver) -> list[Any]:
    done = []
    for number, cell in enumerate(cells):
        try:
            done.append(None if cell is None else revive(cell))
        except Misfit as misfit:
            misfit.steps += [name, number] if isinstance(name, str) else [name]
            raise
    return done
