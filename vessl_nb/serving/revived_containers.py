"""Objects and arrays of JSON whose parts are brought to their types, and then they themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vessl_nb.serving.misfits import Misfit
from vessl_nb.serving.problems import short
from vessl_nb.serving.revived_leaves import make_leaf

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from vessl_nb.serving.revived_leaves import Reviver

KEYS: dict[type, Reviver] = {
    int: make_leaf(int, "an integer"),
    float: make_leaf(float, "a number"),
}
"""What keys of these types are made of, which JSON has as text."""


def fields_in(example: Any) -> dict[str, Any]:
    """Give what an encoded dict or object holds, by name."""
    if not isinstance(example, dict):
        return {}
    if "$type" not in example:
        return example
    fields = example.get("fields", example.get("value"))
    return fields if isinstance(fields, dict) and "$type" not in fields else {}


def items_in(example: Any) -> Any:
    """Give what an encoded list, tuple or set holds."""
    return example.get("items") if isinstance(example, dict) else example


def revive_members(inside: Mapping[str, Reviver]) -> Reviver:
    """Make what revives the members of an object by name, in place; those that are not there are left out."""
    table = list(inside.items())

    def revive(data: dict[str, Any]) -> Any:
        for name, revive_it in table:
            if name in data:
                try:
                    data[name] = revive_it(data[name])
                except Misfit as misfit:
                    misfit.steps.append(name)
                    raise
        return data

    return revive


def revive_mapping(revive_key: Reviver | None, revive_item: Reviver | None) -> Reviver | None:
    """Make what revives an object of any names, and its keys; None where both are plain."""
    if revive_key is None and revive_item is None:
        return None

    def revive(data: dict[str, Any]) -> Any:
        done = {}
        for key, item in data.items():
            try:
                made = key if revive_key is None else revive_key(key)
                done[made] = item if revive_item is None else revive_item(item)
            except Misfit as misfit:
                misfit.steps.append(key)
                raise
        return done

    return revive


def revive_items(places: Sequence[Reviver | None], others: Reviver | None, make: type | None) -> Reviver:
    """Make what revives the items of an array in place, some by their place, and makes a tuple or a set of them.

    Parameters
    ----------
    places
        For the first items, one each.
    others
        For all that follow.
    make
        What is made of the list; None leaves it one.
    """
    has_parts = others is not None or any(places)

    def revive(data: list[Any]) -> Any:
        for number, item in enumerate(data) if has_parts else ():
            revive_it = places[number] if number < len(places) else others
            if revive_it is not None:
                try:
                    data[number] = revive_it(item)
                except Misfit as misfit:
                    misfit.steps.append(number)
                    raise
        try:
            return data if make is None else make(data)
        except TypeError as error:  # what a set cannot hold
            raise Misfit(f"must have items that a set can hold; it is {short(data)}") from error

    return revive
