"""What the buttons of a register form do: a preview, or a registration, of what was filled in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vessl_nb.capture.cells import cell_of
from vessl_nb.notebook.expressions import evaluate
from vessl_nb.notebook.form_values import read_target
from vessl_nb.notebook.interrupted import Registering
from vessl_nb.registration import register_model
from vessl_nb.runner import check_runner
from vessl_nb.stages import Preview, run_samples, run_stages

if TYPE_CHECKING:
    from vessl_nb.notebook.form_surroundings import Surroundings
    from vessl_nb.notebook.form_values import FormValues
    from vessl_nb.registry.version import Version
    from vessl_nb.stages import Previews
    from vessl_nb.staging import Target


def preview_samples(values: FormValues, surroundings: Surroundings) -> Preview | Previews:
    """Send the samples through the three stages, and let the magics know which of them passed.

    Parameters
    ----------
    values
        What was filled in; there is at least one sample.
    surroundings
        The notebook: the expressions are run in it.

    Returns
    -------
    Preview or Previews
        A failing stage is in it, not raised; each stage says what is different from the last run of the same sample,
        in the form or under a magic.

    Raises
    ------
    InvalidArgument
        An expression raises.
    """
    runner, model, samples = _evaluate(values, surroundings)
    runner, memory = check_runner(runner), surroundings.runs_of(values.runner)
    shown: Preview | Previews
    # What travels is listed beside the fields already: the stages alone are run.
    if len(samples) == 1:
        shown = run_stages(runner, samples[0], model, memory=memory, cell_of=cell_of)
    else:
        shown = run_samples(runner, samples, model, memory=memory, cell_of=cell_of)
    passed = [shown.ok] if isinstance(shown, Preview) else [each.ok for each in shown]
    surroundings.remember(values.runner, values.model, values.samples, passed)
    return shown


@dataclass(frozen=True, slots=True)
class Registration:
    """A registration of what was filled in.

    Attributes
    ----------
    values
        What was filled in.
    target
        The repository.
    registering
        What became of it, where it is interrupted.
    """

    values: FormValues
    target: Target
    registering: Registering

    @classmethod
    def of(cls, values: FormValues) -> Registration:
        """Prepare it; nothing is run, and nothing written."""
        target = read_target(values.repository)
        target.find()
        return cls(values, target, Registering(target.organization, target.repository_name))

    def run(self, surroundings: Surroundings) -> Version:
        """Register, with expressions run in the notebook; raises what `register_model` does."""
        values = self.values
        runner, model, samples = _evaluate(values, surroundings)
        return register_model(
            self.target.repository_name,
            values.number,
            runner,
            model,
            list(values.requirements),
            dict(values.artifacts),
            sample=samples or None,
            tags=dict(values.tags),
            aliases=list(values.aliases),
            description=values.description,
            env=list(values.env),
            check=values.check,
            store_examples=values.store_examples,
            organization_name=self.target.organization,
        )

    def find_committed(self) -> Version | None:
        """Find what was registered although it was interrupted; None where nothing was.

        An interrupt may come when the version is in the journal already.
        """
        return self.registering.find()


def _evaluate(values: FormValues, surroundings: Surroundings) -> tuple[Any, Any, list[Any]]:
    variables = surroundings.variables
    runner = evaluate(values.runner, "Runner", variables)
    model = evaluate(values.model, "Model", variables) if values.model else None
    return runner, model, [evaluate(sample, "Sample", variables) for sample in values.samples]
