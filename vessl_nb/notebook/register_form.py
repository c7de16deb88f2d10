"""``vessl_nb.register_form``: what `register_model` takes, asked for in a form."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vessl_nb.notebook.form_values import FormValues
from vessl_nb.notebook.form_widget import RegisterForm
from vessl_nb.registry.names import parse_reference

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
    """
    target = parse_reference(repository) if repository and ":" in repository else None
    return RegisterForm(
        FormValues(
            repository=(repository or "").partition(":")[0],
            number=target.number if target else None,
            runner=runner or "",
            model=model or "",
            samples=tuple(samples or ()),
            artifacts=artifacts or {},
            requirements=tuple(requirements or ()),
            env=tuple(env or ()),
            tags=tags or {},
            aliases=tuple(aliases or ()),
            description=description,
            check=check,
            store_examples=store_examples,
        )
    )
