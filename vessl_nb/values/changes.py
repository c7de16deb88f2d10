"""What became of a sample in the run before, and what is different now."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from vessl_nb.errors import VesslError
from vessl_nb.faces.preview import UNCHANGED
from vessl_nb.faces.words import one_line
from vessl_nb.values.comparison import compare
from vessl_nb.values.excerpt import SOME, Excerpt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vessl_nb.values.comparison_walk import Comparison

_MOST_SAMPLES = 20
_MOST_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a stage made of a sample.

    Attributes
    ----------
    value
        An excerpt of what it returned; None where it did not.
    kind
        The value's type and extent, in words.
    problem
        What it raised; empty where it did not.
    """

    value: Excerpt | None = None
    kind: str = ""
    problem: str = ""


class RunMemory:
    """Remembers the last run of each of a runner's samples, as excerpts; the least recent sample is forgotten first."""

    def __init__(self) -> None:
        self._runs: OrderedDict[bytes, tuple[Outcome, ...]] = OrderedDict()

    def changes(self, sample: Excerpt, outcomes: Sequence[Outcome]) -> list[str]:
        """Say of each stage what is different from the last run of the same sample, and remember this run.

        Parameters
        ----------
        sample
            An excerpt of the sample, from before the run.
        outcomes
            What came of each stage.

        Returns
        -------
        list of str
            One for each stage: ``unchanged since the last run``, ``was 0.83``; empty where there is nothing to compare.
        """
        # The sample itself may be large, so only its digest is kept.
        key = hashlib.blake2b(msgspec.json.encode([sample.data, sample.extents]), digest_size=16).digest()
        before = self._runs.pop(key, None)
        self._runs[key] = tuple(outcomes)
        while len(self._runs) > _MOST_SAMPLES:
            self._runs.popitem(last=False)
        if before is None:
            return [""] * len(outcomes)
        return [_change(*pair) for pair in zip(before, outcomes, strict=True)]


def _change(before: Outcome, now: Outcome) -> str:
    if before.problem or now.problem:
        return _change_of_failure(before, now)
    if before.value is None or now.value is None:
        return ""
    if before.kind != now.kind or before.value.extents != now.value.extents:
        return f"was {one_line(before.kind, _MOST_CHARACTERS)}" if before.kind != now.kind else "changed"
    try:
        found = compare(before.value.data, now.value.data)
    except VesslError:
        return ""
    if found.outcome == "different":
        return _difference(found)
    same = UNCHANGED if now.value.is_whole else "no change seen since the last run"
    return same if found.outcome == "equal" else f"{same}, but for rounding"


def _change_of_failure(before: Outcome, now: Outcome) -> str:
    if not now.problem:
        return "failed in the last run" if now.value is not None else ""
    if before.problem == now.problem:
        return "failed in the same way in the last run"
    if before.problem:
        return f"was {one_line(before.problem, _MOST_CHARACTERS)}"
    return "did not fail in the last run" if before.value is not None else ""


def _difference(found: Comparison) -> str:
    path, is_sampled, _ = found.path.partition(f'["{SOME}"]')
    if is_sampled:
        # Where in the array the element is, the excerpt does not say.
        return " ".join(filter(None, [path, f"has changed elements, one was {found.expected}"]))
    return " ".join(filter(None, [path, f"was {found.expected}"]))
