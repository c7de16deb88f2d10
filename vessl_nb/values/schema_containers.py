"""What a schema says of containers: dicts, objects with fields, lists, tuples and sets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vessl_nb.values.encoding import decode
from vessl_nb.values.schema_seen import MOST_PROPERTIES, Budget, Looks, Seen

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST_POSITIONS = 20  # of a tuple; the others are described together


@dataclass(slots=True)
class Object:
    """Dicts with text for keys, and the fields of dataclasses and pydantic models."""

    another: Callable[[], Seen]
    properties: dict[str, Seen] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    total: int = 0
    is_abridged: bool = False

    def add(self, data: Any, depth: int) -> None:
        """Look at another one: its values, by name."""
        self.total += 1
        for key, value in data.items():
            if key not in self.properties:
                if len(self.properties) >= MOST_PROPERTIES:
                    self.is_abridged = True
                    continue
                self.properties[key] = self.another()
            self.properties[key].add(value, depth + 1)
            self.counts[key] = self.counts.get(key, 0) + 1

    def schema(self, budget: Budget) -> dict[str, Any]:
        """Write as much of it as the budget allows."""
        properties = {}
        is_abridged = self.is_abridged
        for key, seen in self.properties.items():
            if budget.left <= 0:
                is_abridged = True
                break
            budget.left -= 1
            properties[key] = seen.schema(budget)
        schema: dict[str, Any] = {"type": "object", "properties": properties}
        required = sorted(key for key in properties if self.counts[key] == self.total)
        if required:
            schema["required"] = required
        return schema | {"x-abridged": True} if is_abridged else schema


@dataclass(slots=True)
class _Items:
    """Lists, sets, and the values of dicts with other keys than text."""

    items: Seen
    name: str = "items"
    more: dict[str, Any] = field(default_factory=lambda: {"type": "array"})

    def add(self, data: Any, depth: int) -> None:
        self.items.add_all(data, depth + 1)

    def schema(self, budget: Budget) -> dict[str, Any]:
        items = self.items.schema(budget)
        return {**self.more, self.name: items} if items else dict(self.more)


@dataclass(slots=True)
class _Tuple:
    """Tuples, each place by itself."""

    others: Seen
    places: list[Seen] = field(default_factory=list)
    lengths: set[int] = field(default_factory=set)

    def add(self, data: Any, depth: int) -> None:
        self.lengths.add(len(data))
        while len(self.places) < min(len(data), _MOST_POSITIONS):
            self.places.append(self.others.another())
        for seen, item in zip(self.places, data, strict=False):
            seen.add(item, depth + 1)
        self.others.add_all(data[_MOST_POSITIONS:], depth + 1)

    def schema(self, budget: Budget) -> dict[str, Any]:
        schema: dict[str, Any] = {"type": "array", "minItems": min(self.lengths), "maxItems": max(self.lengths)}
        if self.places:
            schema["prefixItems"] = [seen.schema(budget) for seen in self.places]
        others = self.others.schema(budget)
        return schema | {"items": others} if others else schema


def _look_at_object(seen: Seen, data: Any, depth: int) -> None:
    seen.inside("object", lambda: Object(seen.another)).add(data, depth)


def _look_at_list(seen: Seen, data: Any, depth: int) -> None:
    seen.inside("array", lambda: _Items(seen.another())).add(data, depth)


def _look_at_fields(seen: Seen, data: Any, depth: int) -> None:
    seen.add(data["fields"], depth)


def _look_at_value(seen: Seen, data: Any, depth: int) -> None:
    seen.add(data["value"], depth)


def _look_at_dict(seen: Seen, data: Any, depth: int) -> None:
    keys = [key if isinstance(key, str) else decode(key) for key, _ in data["items"]]
    items = [item for _, item in data["items"]]
    if all(isinstance(key, str) for key in keys):
        seen.inside("object", lambda: Object(seen.another)).add(dict(zip(keys, items, strict=True)), depth)
    else:
        collector = lambda: _Items(seen.another(), "additionalProperties", {"type": "object"})  # noqa: E731
        seen.inside("object of other keys", collector).add(items, depth)


def _look_at_tuple(seen: Seen, data: Any, depth: int) -> None:
    seen.inside("array of places", lambda: _Tuple(seen.another())).add(data["items"], depth)


def _look_at_set(seen: Seen, data: Any, depth: int) -> None:
    collector = lambda: _Items(seen.another(), more={"type": "array", "uniqueItems": True})  # noqa: E731
    seen.inside("array of distinct items", collector).add(data["items"], depth)


LOOKS: Looks = {
    dict: _look_at_object,
    list: _look_at_list,
    "dict": _look_at_dict,
    "object": _look_at_fields,
    **dict.fromkeys(("enum", "subclass"), _look_at_value),
    **dict.fromkeys(("tuple", "namedtuple"), _look_at_tuple),
    **dict.fromkeys(("set", "frozenset"), _look_at_set),
}
