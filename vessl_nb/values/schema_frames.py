"""What a schema says of pandas: a frame is an array of rows, a series or an index an array; what is missing is null."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from vessl_nb.values.encoding import decode
from vessl_nb.values.family import library
from vessl_nb.values.schema_arrays import element_schema
from vessl_nb.values.schema_containers import Object
from vessl_nb.values.schema_seen import BLANK, MOST_PROPERTIES, WHOLE, Budget, Looks, Seen, look_at_leaf


@dataclass(slots=True)
class _Frame:
    """Frames: an array of rows, each an object."""

    columns: Object
    places: dict[str, int] = field(default_factory=dict)

    def add(self, data: Any, depth: int) -> None:
        self.columns.total += 1
        labels = [str(label) for label in decode(data["columns"])]
        for place, (label, values) in enumerate(zip(labels, data["values"], strict=True)):
            if label not in self.columns.properties and len(self.columns.properties) >= MOST_PROPERTIES:
                self.columns.is_abridged = True
                continue
            _add_column(self.columns.properties.setdefault(label, self.columns.another()), values, depth + 1)
            self.places[label] = min(place, self.places.get(label, place))
        for label in set(labels) & self.columns.properties.keys():
            self.columns.counts[label] = self.columns.counts.get(label, 0) + 1

    def schema(self, budget: Budget) -> dict[str, Any]:
        rows = self.columns.schema(budget)
        # By place and then by name, so that the order of the samples does not matter where theirs differ.
        columns = sorted(rows["properties"], key=lambda label: (self.places[label], label))
        rows["properties"] = {label: rows["properties"][label] for label in columns}
        return {"type": "array", "items": rows, "x-type": "pandas.DataFrame", "x-columns": columns}


@dataclass(slots=True)
class _Column:
    """Series and indexes: an array."""

    items: Seen
    said: dict[str, Any]

    def add(self, data: Any, depth: int) -> None:
        if "values" in data:
            _add_column(self.items, data["values"], depth + 1)
        elif "start" in data:
            self.items.note("integer")
        else:  # the rows of a MultiIndex
            self.items.note("array")

    def schema(self, budget: Budget) -> dict[str, Any]:
        items = self.items.schema(budget)
        return {"type": "array", **({"items": items} if items else {}), **self.said}


def _look_at_frame(seen: Seen, data: Any, depth: int) -> None:
    seen.inside("pandas.DataFrame", lambda: _Frame(Object(seen.another))).add(data, depth)


def _look_at_column(seen: Seen, data: Any, depth: int) -> None:
    kind = "pandas.Series" if data["$type"] == "pandas.Series" else "pandas.Index"
    seen.inside(kind, lambda: _Column(seen.another(), {"x-type": kind})).add(data, depth)


def _look_at_pandas_array(seen: Seen, data: Any, depth: int) -> None:
    seen.inside("pandas array", lambda: _Column(seen.another(), {})).add({"values": data}, depth)


def _add_column(seen: Seen, data: Any, depth: int) -> None:
    """Look at the values of a column, where what is missing is null."""
    tag = data["$type"]
    if tag == "pandas.Categorical":
        _add_column(seen, data["categories"]["values"], depth) if "values" in data["categories"] else seen.note(
            "integer"
        )
        is_missing = (decode(data["codes"]) < 0).any()
    elif tag == "pandas.DatetimeArray":
        _add_column(seen, data["utc"], depth)
        is_missing = False
    elif tag == "pandas.MaskedArray":
        look_at_leaf(element_schema(data["dtype"].lower()))(seen, data, depth)
        is_missing = decode(data["mask"]).any()
    elif tag == "pandas.StringArray" or data["dtype"] == "|O":
        items = data["values" if tag == "pandas.StringArray" else "items"]
        seen.add_all([None if _is_missing(item) else item for item in items], depth)
        is_missing = False
    else:
        is_missing = _add_numbers(seen, data, depth)
    if is_missing:
        seen.note("null")


def _is_missing(item: Any) -> bool:
    if not isinstance(item, dict):
        return item is None
    return item.get("$type") in {"pandas.NA", "pandas.NaT"} or item == {"$type": "float", "value": "nan"}


def _add_numbers(seen: Seen, data: Any, depth: int) -> bool:
    """Look at a column that is an array of numpy's, and say whether something in it is missing."""
    np = library("numpy")
    values = decode(data)
    if values.dtype.kind == "f":
        missing = np.isnan(values)
        if not missing.any():
            seen.note("number")
            return False
        rest = values[~missing]
        is_whole = np.isfinite(rest).all() and (rest == np.floor(rest)).all()
        seen.note(BLANK if not rest.size else WHOLE if is_whole else "number")
        return True
    look_at_leaf(element_schema(data["dtype"]))(seen, data, depth)
    return bool(np.isnat(values).any()) if values.dtype.kind in "mM" else False


LOOKS: Looks = {
    "pandas.DataFrame": _look_at_frame,
    **dict.fromkeys(("pandas.Series", "pandas.Index", "pandas.RangeIndex", "pandas.MultiIndex"), _look_at_column),
    **dict.fromkeys(
        (f"pandas.{name}" for name in ("Categorical", "DatetimeArray", "MaskedArray", "StringArray")),
        _look_at_pandas_array,
    ),
}
