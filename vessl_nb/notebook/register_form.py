"""``vessl_nb.register_form``: what `register_model` takes, asked for in a form."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vessl_nb.capture.artifacts import check_artifacts
from vessl_nb.capture.requirements import check_requirements
from vessl_nb.errors import InvalidArgument
from vessl_nb.notebook.arguments import parse_target
from vessl_nb.notebook.form_values import FormValues
from vessl_nb.notebook.form_widget import RegisterForm
from vessl_nb.registration import check_aliases, check_env
from vessl_nb.registry.names import check_tags, check_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from vessl_nb.registry.names import Tag


def register_form(
    repository: str | None = None,
    *,
    runner: str | None = None,
    model: str | None = None,
    samples: Sequence[str] | None = None,
    artifacts: Mapping[str, str] | None = None,
    requirements: Sequence[str] | None = None,
    tags: Mapping[str, Tag] | None = None,
    aliases: Sequence[str] | None = None,
    description: str = "",
    env: Sequence[str] | None = None,
    check: bool = True,
    store_examples: bool = True,
) -> RegisterForm:
    """Show a form that registers the notebook's runner and model.

    Parameters
    ----------
    repository
        The model repository, with a number to overwrite a model: ``iris``, ``iris:3``, ``org/iris``. As everything
        here, it only stands in the form at first.
    runner
        The runner's name; the marked one, or the notebook's only one, if left out.
    model, samples
        Expressions, as the magic's line has them; what the magic would take, if left out.
    artifacts, requirements, tags, aliases, description, env, check, store_examples
        As `register_model` takes them.

    Returns
    -------
    RegisterForm
        The form, for a notebook to show.

    Raises
    ------
    InvalidReference
        The repository cannot be read.
    InvalidArgument
        Something cannot be meant: the repository names a version that exists, or as `register_model` has it.
    """
    target = parse_target(repository) if repository and ":" in repository else None
    for what, expression in (("runner", runner), ("model", model)):
        _check_expression(what, expression)
    if not isinstance(samples, list | tuple | None):
        raise InvalidArgument(f"samples must be a list, not {samples!r}.", "Write it as ['{\"x\": [1, 2]}'].")
    for sample in samples or ():
        _check_expression("A sample", sample)
    return RegisterForm(
        FormValues(
            repository=(repository or "").partition(":")[0],
            number=target.number if target else None,
            runner=runner or "",
            model=model or "",
            samples=tuple(samples or ()),
            artifacts=check_artifacts(artifacts),
            requirements=tuple(check_requirements(requirements)),
            env=tuple(check_env(env)),
            tags=check_tags(tags),
            aliases=tuple(check_aliases(aliases)),
            description=check_text("description", description),
            check=check,
            store_examples=store_examples,
        )
    )


def _check_expression(what: str, expression: object) -> None:
    """Refuse an object in place of the expression for it, which the form shows."""
    if not isinstance(expression, str | None):
        raise InvalidArgument(
            f"{what} must be text, not an object of type {type(expression).__name__}.",
            "Write its name, or an expression, in quotes.",
        )
