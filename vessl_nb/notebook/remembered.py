"""What the magics remember between two cells: the marked runner, and what was said with each."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vessl_nb.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vessl_nb.values.changes import RunMemory

_CLASS = re.compile(r"^class\s+(\w+)", re.MULTILINE)


@dataclass(slots=True)
class Remembered:
    """What was said with a runner: expressions, evaluated anew each time they are used.

    Attributes
    ----------
    model
        The model.
    samples
        The samples that were tried last.
    examples
        The last samples that came through all three stages.
    runs
        What the runs of samples gave, for the next ones to be held against.
    """

    model: str | None = None
    samples: list[str] = field(default_factory=list)
    examples: list[str] = field(default_factory=list)
    runs: RunMemory | None = None

    def keep(self, model: str | None, samples: Sequence[str], passed: Sequence[bool]) -> None:
        """Keep what was previewed; a model that was not said is still the one that was said before.

        Parameters
        ----------
        model, samples
            What was said.
        passed
            For each sample, whether it came through all three stages.
        """
        self.model = model or self.model
        self.samples = list(samples)
        if any(passed):
            self.examples = [sample for sample, is_well in zip(samples, passed, strict=True) if is_well]


class Memory:
    """What the magics remember.

    Attributes
    ----------
    marked
        The marked runner, by name: a cell that is run again makes a new class, and the name means that one. None where
        none is marked.
    """

    def __init__(self) -> None:
        self.marked: str | None = None
        self._missing: str | None = None
        self._by_runner: dict[str, Remembered] = {}

    def mark(self, name: str) -> None:
        """Mark a runner."""
        self.marked, self._missing = name, None

    def await_mark(self, cell: str) -> None:
        """Take the mark away until the cell that is about to run has set it.

        Where it fails, the class of before is still there. It would be registered in place of the one that its user
        has just written.
        """
        names = _CLASS.findall(cell)
        self.marked, self._missing = None, f"cell of {names[0]}" if len(names) == 1 else "last %%vessl_runner cell"

    @property
    def is_mark_missing(self) -> bool:
        """Whether the last cell that was to mark a runner failed, or was stopped."""
        return self._missing is not None

    def refuse_missing_mark(self, option: str, candidate: str) -> None:
        """Raise InvalidArgument where the last cell that was to mark a runner failed, or was stopped.

        Parameters
        ----------
        option
            How a runner is named on the line, such as ``--runner``.
        candidate
            One that could be named.
        """
        if self._missing is not None:
            raise InvalidArgument(
                f"The {self._missing} failed when it was last run, and marked no runner.",
                f"Run it again, or name a runner that is there: {option} {candidate}",
            )

    def recall(self, runner: str) -> Remembered:
        """Give what is remembered of a runner, to be added to."""
        return self._by_runner.setdefault(runner, Remembered())

    def find(self, runner: str) -> Remembered:
        """Give what is remembered of a runner; to ask is not to remember."""
        return self._by_runner.get(runner, Remembered())
