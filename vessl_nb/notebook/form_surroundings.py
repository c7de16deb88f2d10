"""What a form knows of the notebook around it: variables that would do, and what its magics remember."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, ClassVar

from IPython.core.getipython import get_ipython

from vessl_nb.notebook.candidates import find_runner, models_in, runners_in
from vessl_nb.notebook.running_cells import running_cells
from vessl_nb.values.changes import RunMemory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from vessl_nb.notebook.magics import VesslMagics
    from vessl_nb.notebook.remembered import Remembered

_MAGICS = "VesslMagics"


class Surroundings:
    """The notebook around a form."""

    _listening: ClassVar[Callable[[object], None] | None] = None

    def __init__(self) -> None:
        self._shell = get_ipython()
        self._cells = running_cells()
        self._runs: dict[str, RunMemory] = {}  # of a notebook without the magics

    @property
    def variables(self) -> dict[str, Any]:
        """The notebook's variables."""
        variables: dict[str, Any] = self._shell.user_ns if self._shell else vars(sys.modules["__main__"])
        return variables

    def runners(self) -> dict[str, Any]:
        """Find the notebook's runners, the marked one among them, which may be in a module."""
        found = dict(runners_in(self.variables))
        magics = self._magics()
        marked = magics.memory.marked if magics else None
        runner = find_runner(marked, self.variables)
        return found if marked is None or runner is None else found | {marked: runner}

    def models(self) -> list[str]:
        """Name the variables that could be the model."""
        return list(models_in(self.variables))

    def usual_runner(self) -> str:
        """Name the runner that a magic takes by itself: the marked one, or the only one; empty where there is none."""
        runners = self.runners()
        magics = self._magics()
        if magics and magics.memory.is_mark_missing:
            return ""  # its cell failed: which runner is meant is for the user to say
        marked = magics.memory.marked if magics else None
        if marked in runners:
            return str(marked)
        return next(iter(runners)) if len(runners) == 1 else ""

    def usual_model(self, runner: str) -> str:
        """Name the model that a magic takes by itself: the last one said, or the only one."""
        remembered = self._remembered(runner)
        if remembered is not None and remembered.model is not None:
            return str(remembered.model)
        models = self.models()
        return models[0] if len(models) == 1 else ""

    def usual_samples(self, runner: str) -> tuple[str, ...]:
        """Give the last samples that passed a preview, as they were typed; else the last ones that were tried."""
        remembered = self._remembered(runner)
        return tuple(remembered.examples or remembered.samples) if remembered is not None else ()

    def usual_settings(self) -> tuple[bool, bool]:
        """Tell whether the magics check what they register, and whether they keep its samples."""
        magics = self._magics()
        return (magics.check, magics.store_examples) if magics else (True, True)

    def refuse_missing_mark(self) -> None:
        """Raise InvalidArgument where the last cell that was to mark a runner failed: which is meant is not known."""
        magics, runners = self._magics(), self.runners()
        if magics and runners:
            magics.memory.refuse_missing_mark("Runner:", next(iter(runners)))

    def runs_of(self, runner: str) -> RunMemory:
        """Give what is remembered of the last runs of a runner's samples, under a magic or in a form."""
        magics = self._magics()
        if magics is None:
            return self._runs.setdefault(runner, RunMemory())
        remembered = magics.memory.recall(runner)
        remembered.runs = remembered.runs or RunMemory()
        return remembered.runs

    def remember(self, runner: str, model: str, samples: Sequence[str], passed: Sequence[bool]) -> None:
        """Let the magics know what was previewed in the form."""
        magics = self._magics()
        if magics is not None:
            magics.memory.recall(runner).keep(model, samples, passed)

    def when_cell_ran(self, look: Callable[[object], None]) -> None:
        """Call something after each cell, which may have made a runner or a model.

        Only the newest form listens: a cell that is run again and again makes one each time.
        """
        self.forget()
        if self._shell:
            Surroundings._listening = look
            self._shell.events.register("post_run_cell", look)

    def forget(self, look: Callable[[object], None] | None = None) -> None:
        """Call what listens no more; where something is given, only if that is what listens."""
        listening = Surroundings._listening
        if self._shell and listening is not None and look in {None, listening}:
            Surroundings._listening = None
            if listening in self._shell.events.callbacks["post_run_cell"]:
                self._shell.events.unregister("post_run_cell", listening)

    def between_cells(self, waits: Callable[[], None], cancel: Callable[[], None]) -> AbstractContextManager[None]:
        """Make the context in which no cell runs; what is given is called as `RunningCells.between` has it."""
        return self._cells.between(waits, cancel) if self._cells else nullcontext()

    def _magics(self) -> VesslMagics | None:
        registry = self._shell.magics_manager.registry if self._shell else {}
        magics: VesslMagics | None = registry.get(_MAGICS)
        return magics

    def _remembered(self, runner: str) -> Remembered | None:
        magics = self._magics()
        return magics.memory.find(runner) if magics else None
