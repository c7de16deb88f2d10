"""The fields of a register form, each read by the function that register_model reads it with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipywidgets as widgets  # type: ignore[import-untyped]  # it ships no types

from vessl_nb.capture.requirements import check_requirements
from vessl_nb.errors import VesslError
from vessl_nb.notebook.arguments import choose
from vessl_nb.notebook.expressions import evaluate
from vessl_nb.notebook.form_controls import make_controls
from vessl_nb.notebook.form_fields import ArtifactRows, Field
from vessl_nb.notebook.form_hints import (
    numbers_in,
    repositories,
    say_aliases,
    say_number,
    say_repository,
    say_samples,
)
from vessl_nb.notebook.form_line import texts_of, write_samples
from vessl_nb.notebook.form_values import (
    FormValues,
    peek,
    read_aliases,
    read_expressions,
    read_lines,
    read_number,
    read_tags,
    read_target,
    read_words,
)
from vessl_nb.registration import check_env, check_instance
from vessl_nb.registry.names import check_text
from vessl_nb.runner import check_runner, overrides

if TYPE_CHECKING:
    from collections.abc import Callable

    from vessl_nb.notebook.form_surroundings import Surroundings

_NO_RUNNER = "Mark one: put %%vessl_runner on top of the cell of its class."


class Entries(widgets.VBox):  # type: ignore[misc]  # as above
    """All that is filled in.

    Parameters
    ----------
    filled
        What stands in the fields at first.
    surroundings
        The notebook.
    changed
        Is called whenever something was typed.

    Attributes
    ----------
    fields
        By the name of what they are read into, in the order in which they stand.
    """

    def __init__(self, filled: FormValues, surroundings: Surroundings, changed: Callable[[], None]) -> None:
        self._surroundings = surroundings
        self._changed = changed
        self._is_offering = True
        self.fields: dict[str, Field[Any]] = {}
        self._texts: dict[str, Any] = {}
        self._artifacts = ArtifactRows(lambda: self._touched("artifacts"))
        self._make_controls()
        self._make_fields()
        self._fill(filled)
        self._is_offering = False
        super().__init__(list(self.fields.values()))
        self.add_class("vnb-form-fields")

    @property
    def values(self) -> FormValues:
        """What was filled in, as it was read last."""
        read = {name: field.value for name, field in self.fields.items()}
        lists = {name: tuple(value) for name, value in read.items() if isinstance(value, list)}
        return FormValues(**{**read, **lists})

    @property
    def usual(self) -> FormValues:
        """What the magic would take by itself for runner, model and samples, and what its settings are."""
        runner = self._texts["runner"].value or ""
        model = "" if self._reads_files() else self._surroundings.usual_model(runner)
        usual = self._surroundings.usual_runner()
        samples = self._surroundings.usual_samples(runner)
        check, store_examples = self._surroundings.usual_settings()
        return FormValues(runner=usual, model=model, samples=samples, check=check, store_examples=store_examples)

    @property
    def problems(self) -> dict[str, VesslError]:
        """What is wrong, by field."""
        return {field.title: field.problem for field in self.fields.values() if field.problem}

    def look(self, *, anew: bool = False, insist: bool = False) -> None:
        """Read every field, and say what is wrong.

        Parameters
        ----------
        anew
            Look for repositories, too: with each letter that would be too often.
        insist
            An empty field is a mistake, too.
        """
        if anew:
            self._texts["repository"].options = repositories()
        self._offer()
        for field in self.fields.values():
            field.is_touched = field.is_touched or insist
            field.look()

    def runner_and_model(self) -> tuple[Any, Any]:
        """Give the runner and the model, as far as they can be told without running anything; None for what cannot."""
        try:
            runner = self._read_runner() and self._surroundings.variables[self._texts["runner"].value]
        except VesslError:
            return None, None
        try:
            return runner, peek(self._text("model"), "Model", self._surroundings.variables)
        except VesslError:
            return runner, None

    def _make_controls(self) -> None:
        self._texts = make_controls()
        for name, text in self._texts.items():
            text.observe(lambda _, name=name: self._touched(name), "value")

    def _make_fields(self) -> None:
        def field(name: str, read: Callable[[], Any], otherwise: Any, hint: Any = lambda _: "") -> None:
            entry = self._artifacts if name == "artifacts" else self._texts[name]
            title = name.capitalize() if name == "artifacts" else entry.description
            self.fields[name] = Field(title, entry, read, otherwise, hint)

        field("repository", self._read_repository, "", say_repository)
        field("number", self._read_number, None, lambda number: say_number(self._text("repository"), number))
        field("runner", self._read_runner, "")
        field("model", self._read_model, "")
        field("samples", self._read_samples, [], lambda samples: say_samples(samples, self.usual.samples))
        field("tags", lambda: read_tags(self._text("tags")), {})
        field(
            "aliases",
            lambda: read_aliases(self._text("aliases")),
            [],
            lambda aliases: say_aliases(self._text("repository"), aliases),
        )
        field("description", lambda: check_text("description", self._text("description")), "")
        field("artifacts", self._artifacts.read, {})
        field("requirements", lambda: check_requirements(read_lines(self._text("requirements"))), [])
        field("env", lambda: check_env(read_words(self._text("env"))), [])
        field("check", lambda: self._texts["check"].value, True)
        field("store_examples", lambda: self._texts["store_examples"].value, True)

    def _fill(self, filled: FormValues) -> None:
        for name, text in texts_of(filled).items():
            self._texts[name].value = text
            self.fields[name].is_touched = bool(text)
        self._texts["check"].value, self._texts["store_examples"].value = filled.check, filled.store_examples
        self.fields["artifacts"].is_touched = bool(filled.artifacts)
        for source, target in filled.artifacts.items():
            self._artifacts.add(source, target)
        self._offer_runners(filled.runner)

    def _offer(self) -> None:
        """Offer what there is: in lists, and, in fields that nobody touched, what the magic would take."""
        self._is_offering = True
        try:
            self._offer_runners(self._texts["runner"].value or "")
            self._texts["number"].options = numbers_in(self._text("repository"))
            self._texts["model"].options = self._surroundings.models()
            usual = self.usual
            if not self.fields["model"].is_touched:
                self._texts["model"].value = usual.model
            if not self.fields["samples"].is_touched:
                self._texts["samples"].value = write_samples(usual.samples)
        finally:
            self._is_offering = False

    def _offer_runners(self, chosen: str) -> None:
        runners = list(self._surroundings.runners())
        if chosen and chosen not in runners:
            # A name that is no runner stays, to be told what is wrong with it, as long as no other is chosen.
            runners.append(chosen)
        dropdown = self._texts["runner"]
        if tuple(runners) != dropdown.options:
            dropdown.options = runners
        # Setting the options chooses the first, which nobody meant.
        wanted = chosen if self.fields["runner"].is_touched or chosen in runners else ""
        dropdown.value = wanted or self._surroundings.usual_runner() or None

    def _touched(self, name: str) -> None:
        if not self._is_offering:
            self.fields[name].is_touched = True
            self._changed()

    def _text(self, name: str) -> str:
        text: str = self._texts[name].value
        return text.strip()

    def _reads_files(self) -> bool:
        """Tell whether the magic would pass no model: the number has its files, and the runner reads them."""
        runner = self._surroundings.runners().get(self._texts["runner"].value or "")
        if runner is None or not self._text("number"):
            return False
        return overrides(runner, "load_model") and not overrides(runner, "save_model")

    def _read_repository(self) -> str:
        read_target(self._text("repository"))
        return self._text("repository")

    def _read_number(self) -> int | None:
        number = read_number(self._text("number"))
        if number is not None and not self.fields["repository"].problem:
            read_target(self._text("repository"), number)
        return number

    def _read_runner(self) -> str:
        variables = self._surroundings.variables
        chosen = self._texts["runner"].value or None
        if chosen is None:
            self._surroundings.refuse_missing_mark()
        name = choose("runner", "--runner", chosen, self._surroundings.runners(), _NO_RUNNER)
        check_runner(evaluate(name, "Runner", variables))
        return name

    def _read_model(self) -> str:
        text = self._text("model")
        runner = self._surroundings.runners().get(self.fields["runner"].value)
        if text:
            peek(text, "Model", self._surroundings.variables)
        elif runner and not self.fields["repository"].problem and not self.fields["number"].problem:
            check_instance(read_target(self._text("repository"), self.fields["number"].value), runner, None)
        return text

    def _read_samples(self) -> list[str]:
        samples = read_expressions(self._text("samples")) if self._text("samples") else []
        for sample in samples:
            peek(sample, "Sample", self._surroundings.variables)
        return samples
