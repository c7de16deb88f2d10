"""One sample's answers from several processes, compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vessl_nb.values.comparison import alike, compare
from vessl_nb.values.secrets import mask_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from vessl_nb.values.comparison_walk import Comparison


class Compared:
    """A sample with the answer that is expected, and those of a clean process.

    Parameters
    ----------
    example
        The sample with the answer that is expected, encoded.
    answers
        What the clean process answered, twice.
    from_source
        What it answered loaded from ``runner.py``; empty where it was not.
    """

    def __init__(self, example: Mapping[str, Any], answers: Sequence[Any], from_source: Sequence[Any]) -> None:
        self.example = example
        self._answers = answers
        self._others = [
            ("a clean process", answers[0]),
            *(("a clean process, from runner.py,", one) for one in from_source),
        ]
        self._is_steady = not _differ(*answers)
        self._is_like_itself = alike(*answers).outcome != "different"

    def consider(self, elsewhere: Any, again: Any) -> None:
        """Take in what another clean process answered, and what this one did once more: it may be chance."""
        for one, other in ((self._answers[0], elsewhere), (self.example["output"], again)):
            if _differ(one, other):
                self._is_steady = False
                self._is_like_itself &= alike(one, other).outcome != "different"

    def _compare(self, found: Any) -> Comparison:
        return (compare if self._is_steady else alike)(self.example["output"], found)

    def difference(self) -> str:
        """Say how an answer differs from what is expected; empty where none does."""
        for who, found in self._others if self._is_like_itself else ():
            comparison = self._compare(found)
            if comparison.outcome == "different":
                what = comparison.path or "the answer"
                return f"otherwise in {who} than here: {what} is {comparison.found}, not {comparison.expected}."
        return ""

    def remarks(self, which: str) -> Iterator[str]:
        """Give what there is to say of answers that pass."""
        if not self._is_steady:
            how = "compared by type and shape only" if self._is_like_itself else "not compared"
            yield f"Its answer to {which} is not deterministic: {how}."
            return
        for who, found in self._others:
            comparison = self._compare(found)
            if comparison.outcome == "close":
                words = f"{comparison.found} for {comparison.expected}"
                yield mask_secrets(f"Its answer to {which} is close in {who}: {words}.")


def _differ(one: Any, other: Any) -> bool:
    return compare(one, other).outcome == "different"
