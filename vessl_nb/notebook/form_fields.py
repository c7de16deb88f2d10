"""The parts of a register form: a field that says in words what is wrong with it, and rows of artifacts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import ipywidgets as widgets  # type: ignore[import-untyped]  # it ships no types

from vessl_nb.capture.artifacts import check_artifacts
from vessl_nb.errors import InvalidArgument, VesslError
from vessl_nb.faces.html import bad, dim, escape
from vessl_nb.faces.words import one_line
from vessl_nb.notebook.form_controls import close_tree, control

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")
_LONGEST = 400


class Field(widgets.VBox, Generic[_T]):  # type: ignore[misc]  # as above
    """A control, and below it in words what is wrong with what was typed, or what comes of it.

    Parameters
    ----------
    title
        What the field is called.
    entry
        The control, or the box that has the controls.
    read
        Reads the controls; raises VesslError where that cannot be meant.
    otherwise
        What its value is as long as it cannot be read.
    hint
        Says what comes of a value.

    Attributes
    ----------
    value
        What was read last.
    problem
        Why it cannot be read; None where it can.
    is_touched
        Somebody typed in it: an empty field is no mistake before.
    """

    def __init__(
        self, title: str, entry: Any, read: Callable[[], _T], otherwise: _T, hint: Callable[[_T], str] = lambda _: ""
    ) -> None:
        self.title = title
        self.entry = entry
        self.value = otherwise
        self.problem: VesslError | None = None
        self.is_touched = False
        self._read = read
        self._otherwise = otherwise
        self._hint = hint
        self._words = widgets.HTML(layout=widgets.Layout(display="none"))
        self._words.add_class("vnb-form-words")
        super().__init__([entry, self._words])

    def look(self) -> None:
        """Read the field, and say what there is to say."""
        self.value, self.problem = self._otherwise, None
        try:
            self.value = self._read()
        except VesslError as error:
            self.problem = error
        if self.problem and self.is_touched:
            said = f"{bad('Not yet:')} {escape(_cut(self.problem.what))} {dim(_cut(self.problem.next_step))}"
        else:
            hint = "" if self.problem else self._hint(self.value)
            said = dim(_cut(hint)) if hint else ""
        words = f'<span role="status">{said}</span>' if said else ""
        if words != self._words.value:
            self._words.value = words
            self._words.layout.display = None if said else "none"


def _cut(text: str) -> str:
    return one_line(text, _LONGEST)


class _Row(NamedTuple):
    box: Any
    local: Any
    volume: Any
    remove: Any


class ArtifactRows(widgets.VBox):  # type: ignore[misc]  # as above
    """Artifacts, a row each: a path on this machine, and its path in the volume.

    Parameters
    ----------
    changed
        Is called when something was typed, added or taken away.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._rows: list[_Row] = []
        self._add = widgets.Button(description="Add an artifact", layout=widgets.Layout(width="auto"))
        self._add.add_class("vnb-form-add")
        self._add.on_click(lambda _: self.add())
        super().__init__([self._add])

    def add(self, source: str = "", target: str = "") -> None:
        """Add a row."""
        number = len(self._rows) + 1
        local = control(widgets.Text, f"Local path {number}", value=source, placeholder="checkpoints/*")
        volume = control(widgets.Text, f"Volume path {number}", value=target, placeholder="checkpoints/*")
        remove = widgets.Button(description="Remove", tooltip=f"Remove artifact {number}")
        remove.layout.width = "auto"
        box = widgets.HBox([local, volume, remove])
        box.add_class("vnb-form-row")
        row = _Row(box, local, volume, remove)
        for text in (local, volume):
            text.observe(lambda _: self._changed(), "value")
        remove.on_click(lambda _: self._remove(row))
        self._rows.append(row)
        self._show()

    def read(self) -> dict[str, str]:
        """Read the rows; an empty one counts for nothing.

        Raises
        ------
        InvalidArgument
            A row breaks the rule for artifacts, or two of them are for one path.
        """
        artifacts: dict[str, str] = {}
        for _, local, volume, _ in self._rows:
            source, target = local.value.strip(), volume.value.strip()
            if not source and not target:
                continue
            if source in artifacts:
                raise InvalidArgument(f"The local path {source!r} stands in two rows.", "Remove one of them.")
            artifacts[source] = target
        return check_artifacts(artifacts)

    def _remove(self, row: _Row) -> None:
        self._rows.remove(row)
        for number, (_, local, volume, remove) in enumerate(self._rows, 1):
            local.description, volume.description = f"Local path {number}", f"Volume path {number}"
            remove.tooltip = f"Remove artifact {number}"
        self._show()
        close_tree(row.box)

    def _show(self) -> None:
        self.children = (*(box for box, *_ in self._rows), self._add)
        self._changed()
