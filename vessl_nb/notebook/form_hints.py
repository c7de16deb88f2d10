"""What a register form says below a field that is filled in well: what will come of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vessl_nb.errors import VesslError
from vessl_nb.faces.words import counted
from vessl_nb.notebook.form_values import read_target
from vessl_nb.registry.registry import open_registry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vessl_nb.registry.state import RepositoryState

_MOST_OFFERED = 50


def repositories() -> list[str]:
    """Name the repositories that there are."""
    return [state.qualified for state in open_registry().repositories()]


def numbers_in(repository: str) -> list[str]:
    """List the numbers that could be overwritten, newest first; none where there is no such repository."""
    state = _find(repository)
    numbers = [number for number, model in state.models.items() if not model.deleted] if state else []
    return [str(number) for number in reversed(numbers[-_MOST_OFFERED:])]


def say_repository(repository: str) -> str:
    """Say whether a repository is there, and which number a new model gets."""
    state = _find(repository)
    if state is None:
        return f"New: {repository} will be created."
    number = sum(not model.deleted for model in state.models.values())
    return f"It has {counted(number, 'model')}; a new one gets number {state.next_number()}."


def say_number(repository: str, number: int | None) -> str:
    """Say what overwriting a number does."""
    state = _find(repository)
    if state is None or number not in state.models:
        return ""
    revisions = len(state.models[number].revisions)
    stays = f" The old one stays readable as {state.qualified}:{number}@{revisions}." if revisions else ""
    return f"Overwrites number {number}, as revision {revisions + 1}.{stays}"


def say_aliases(repository: str, aliases: Sequence[str]) -> str:
    """Say which aliases will move."""
    state = _find(repository)
    moving = {alias: state.aliases[alias] for alias in aliases if alias in state.aliases} if state else {}
    return " ".join(
        f"{alias} points at {repository}:{number} now, and will move." for alias, (number, _) in moving.items()
    )


def say_samples(samples: Sequence[str], usual: Sequence[str]) -> str:
    """Say what comes of no samples: the magic would take the last that was previewed, and cannot be told not to."""
    if samples:
        return ""
    said = "None: nothing will be tried before it is registered."
    return f"{said} The line below would take the last that was previewed." if usual else said


def _find(repository: str) -> RepositoryState | None:
    try:
        return read_target(repository).find()
    except VesslError:  # the field says why
        return None
