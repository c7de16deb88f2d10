"""The register form as a widget: fields, what travels, the line that does the same, and what came of it."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import ipywidgets as widgets  # type: ignore[import-untyped]  # it ships no types

from vessl_nb.errors import InvalidArgument
from vessl_nb.faces.form import FormFace, form_html, form_text
from vessl_nb.faces.html import STYLE as FACE_STYLE
from vessl_nb.faces.html import escape
from vessl_nb.faces.version import version_text
from vessl_nb.faces.words import counted
from vessl_nb.loading import entered_in_turn
from vessl_nb.notebook.form_controls import close_tree, control
from vessl_nb.notebook.form_entries import Entries
from vessl_nb.notebook.form_former import close_former
from vessl_nb.notebook.form_line import magic_line
from vessl_nb.notebook.form_masked import masked_faces
from vessl_nb.notebook.form_outcome import OutcomeBox
from vessl_nb.notebook.form_standing import Standing
from vessl_nb.notebook.form_style import STYLE
from vessl_nb.notebook.form_surroundings import Surroundings
from vessl_nb.notebook.form_tasks import Registration, preview_samples
from vessl_nb.notebook.form_travels import Travels
from vessl_nb.notebook.form_values import masked, written
from vessl_nb.notebook.form_work import Work
from vessl_nb.notebook.live import LIVE, Attempts
from vessl_nb.progress import shown_by
from vessl_nb.registry.version import Version
from vessl_nb.spelling import FORM, spoken_in
from vessl_nb.stages import Preview
from vessl_nb.values.secrets import mask_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vessl_nb.notebook.form_values import FormValues
    from vessl_nb.stages import Previews

    _Shown = Version | Preview | Previews

_TITLE = "Register a model"
_WAITS = "Waiting until the cell that runs is done: the runner works with files, in a folder of its own."


class RegisterForm(widgets.VBox):  # type: ignore[misc]  # as above
    """A form that registers the notebook's runner and model.

    Parameters
    ----------
    filled
        What stands in it at first.

    Attributes
    ----------
    version
        What it registered last; None before.
    """

    def __init__(self, filled: FormValues) -> None:
        self.version: Version | None = None
        # Fields are typed in while work goes on, in another thread; front ends may send from several.
        self._lock = threading.RLock()
        self._surroundings = Surroundings()
        self._outcome_faces: tuple[str, str] = ("", "")
        self._standing = Standing(self, self.face)
        self._work = Work()
        self._outcome = OutcomeBox(self._preview, self._register, self._work.cancel)
        self._attempts = Attempts(lambda words: self._outcome.say(words, failed=True))
        self._entries = Entries(filled, self._surroundings, self._look)
        self._travels = Travels()
        self._line = control(widgets.Textarea, "As a line", rows=2)
        self._line.add_class("vnb-form-line")
        self._line.observe(self._restore_line, "value")
        body = widgets.Box([self._entries, self._travels])
        body.add_class("vnb-form-body")
        head = widgets.HTML(f'<style>{FACE_STYLE}{STYLE}</style><div class="vnb-form-title">{_TITLE}</div>')
        super().__init__([head, body, self._line, self._outcome])
        self.add_class("vnb-form").add_class(LIVE)
        close_former(self)
        self._surroundings.when_cell_ran(self._look_again)
        self._look(anew=True)

    @property
    def values(self) -> FormValues:
        """What was filled in; a field that holds a mistake counts as empty."""
        return self._entries.values

    @property
    def problems(self) -> dict[str, str]:
        """What is wrong with what was filled in, in words, by the titles of the fields."""
        return {title: str(problem) for title, problem in self._entries.problems.items()}

    @property
    def line(self) -> str:
        """The magic's line that does the same."""
        return magic_line(self.values, self._entries.usual)

    @property
    def said(self) -> str:
        """What the form said last, such as that a version was registered."""
        return self._outcome.said

    @property
    def is_busy(self) -> bool:
        """Whether there is a preview or a registration that did not end."""
        return self._outcome.is_busy

    @property
    def errors(self) -> list[Exception]:
        """What its work and its callbacks raised, oldest first."""
        return self._attempts.errors

    def face(self) -> FormFace:
        """Give what is shown of it where it is not live, as plain data."""
        values, usual = masked(self.values), masked(self._entries.usual)
        text, html = self._outcome_faces
        return FormFace(
            filled=tuple((title, words) for title, words in written(values) if words),
            problems=tuple((title, mask_secrets(error.what)) for title, error in self._entries.problems.items()),
            line=mask_secrets(magic_line(values, usual)),
            said=mask_secrets(self.said),
            outcome_text=text,
            outcome_html=html,
        )

    def __repr__(self) -> str:
        return form_text(self.face())

    def _repr_html_(self) -> str:
        return form_html(self.face())

    def _ipython_display_(self) -> None:
        self._standing.show()

    def close(self) -> None:
        """Take the form away; work that goes on is cancelled."""
        self._surroundings.forget(self._look_again)
        self._work.cancel()
        self._standing.stop()
        for part in (self.layout, *self.children):
            close_tree(part)
        super().close()

    def _look(self, *, anew: bool = False, insist: bool = False) -> None:
        """Read what was filled in, and bring everything that follows from it up to date."""
        with self._attempts.attempt(), self._lock, spoken_in(FORM):
            self._entries.look(anew=anew, insist=insist)
            values = self.values
            runner, model = self._entries.runner_and_model()
            self._travels.show(runner, model, values.requirements, values.env, anew=anew)
            self._line.value = self.line
            self._standing.refresh_soon()

    def _look_again(self, _: object) -> None:
        """Look again after a cell: what it defined may travel."""
        if not self._outcome.is_busy:
            self._look(anew=True)

    def _restore_line(self, _: object) -> None:
        """Keep the line what the form makes it: it is there to be copied."""
        with self._attempts.attempt():
            if self._line.value != self.line:
                self._line.value = self.line

    def _preview(self) -> None:
        with self._attempts.attempt():
            self._look(anew=True)
            fields = [self._entries.fields[name] for name in ("runner", "model", "samples")]
            if problem := next((field.problem for field in fields if field.problem), None):
                raise problem
            values = self.values
            if not values.samples:
                raise InvalidArgument("There is no sample to preview.", 'Type one into Samples, such as {"x": [1, 2]}.')
            self._begin("Previewing ...", lambda: preview_samples(values, self._surroundings), None)

    def _register(self) -> None:
        with self._attempts.attempt():
            self._look(anew=True, insist=True)
            wrong = [*self._entries.problems, *(["What travels"] if self._travels.problems else [])]
            if wrong:
                things = counted(len(wrong), "thing needs", "things need")
                raise InvalidArgument(f"Nothing was registered: {things} another look.", ", ".join(wrong))
            registration = Registration.of(self.values)
            words = f"Registering in {self.values.repository} ..."
            self._begin(words, lambda: registration.run(self._surroundings), registration)

    def _run(self, task: Callable[[], _Shown]) -> _Shown:
        """Do the work, in its thread."""
        with spoken_in(FORM), shown_by(self._outcome.show_progress), entered_in_turn(self._between_cells):
            return task()

    @contextmanager
    def _between_cells(self) -> Iterator[None]:
        # The working directory is the whole process's: what a cell writes meanwhile would land in the version.
        before = self.said
        with self._surroundings.between_cells(lambda: self._outcome.say(_WAITS), self._work.cancel):
            if self.said == _WAITS:
                self._outcome.say(before)
            yield

    def _begin(self, words: str, task: Callable[[], _Shown], registration: Registration | None) -> None:
        with self._lock:
            if not self._outcome.is_busy:
                self._outcome.begin(words)
                self._work.start(lambda: self._run(task), lambda result, error: self._end(result, error, registration))

    def _end(self, result: _Shown | None, error: BaseException | None, registration: Registration | None) -> None:
        """Show what came of the work; in the thread that did it."""
        with self._attempts.attempt(), self._lock:
            self._outcome_faces = ("", "")
            if isinstance(error, KeyboardInterrupt) and registration:
                result = registration.find_committed()
            if result is not None:
                self._succeed(result)
            elif isinstance(error, KeyboardInterrupt):
                self._outcome.end("Cancelled. Nothing was registered.")
            else:
                self._fail(error)
        self._look(anew=True)
        with self._attempts.attempt():
            self._standing.refresh()

    def _succeed(self, result: _Shown) -> None:
        """Show a version that was registered, or a preview."""
        if isinstance(result, Version):
            self.version = result
            words, text = f"Registered as {result.reference}.", version_text(result.face())
        else:
            number = 1 if isinstance(result, Preview) else len(result)
            passed = f"{counted(number, 'sample')} came through all three stages."
            words, text = result.error.what if result.error else passed, repr(result)
        html, text = masked_faces(result._repr_html_(), text)
        self._outcome_faces = (text, html)
        self._outcome.end(words, html, text)

    def _fail(self, error: BaseException | None) -> None:
        """Say why the work failed, with the lines of the user's own code that it failed in."""
        lines = "\n".join(getattr(error, "lines", ()))
        self._outcome.end("", f"<pre>{escape(lines)}</pre>" if lines else "")
        with self._attempts.attempt():
            raise error if isinstance(error, Exception) else RuntimeError(f"the work was ended by {error!r}")
