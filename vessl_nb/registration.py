"""The road in: a runner and its model become a version.

Everything is validated before anything is written: after a refusal the registry is as it was, byte for byte.
"""

from __future__ import annotations

import re
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from vessl_nb.capture.artifacts import check_artifacts
from vessl_nb.capture.requirements import check_requirements
from vessl_nb.errors import InvalidArgument
from vessl_nb.registry.models import organization_from
from vessl_nb.registry.names import Tag, check_alias, check_name, check_number, check_tags, check_text
from vessl_nb.registry.registry import open_registry
from vessl_nb.runner import Runner, TorchRunner, check_runner, overrides
from vessl_nb.spelling import choose_by_skin, spell
from vessl_nb.staging import Said, Target, register

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from vessl_nb.registry.version import Version


def register_model(
    repository_name: str,
    model_number: int | None,
    runner_cls: Runner,
    model_instance: Any = None,
    requirements: Sequence[str] | None = None,
    artifacts: Mapping[str, str] | None = None,
    *,
    sample: Any = None,
    tags: Mapping[str, Tag] | None = None,
    aliases: Sequence[str] | None = None,
    description: str = "",
    env: Sequence[str] | None = None,
    check: bool = True,
    store_examples: bool = True,
    **kwargs: Any,
) -> Version:
    """Register a model for serving.

    Parameters
    ----------
    repository_name
        The model repository; it is created where there is none.
    model_number
        None for a new model, which gets the next number. The number of an existing model overwrites it: a new
        revision; the old one stays readable as ``name:number@revision``.
    runner_cls
        The runner: how the model is saved, loaded and run.
    model_instance
        The model. It may be left out for an existing number whose files the runner's `load_model` reads.
    requirements
        Python packages that the version needs, as pip takes them; those that its code and its model import are added.
    artifacts
        Local paths to paths in the model's volume. A ``*`` may only be the whole last component, on both sides, and
        takes the folder's whole tree; a trailing slash means the same.
    sample
        What a client might send; a list is several of them. Each goes through the three stages before anything is
        registered, and is kept with its output as the version's example.
    tags
        What is to be said of the version: JSON scalars by name.
    aliases
        Names that point at this version from now on, such as ``champion``.
    description
        What it is, in words.
    env
        Names of environment variables that the runner needs.
    check
        Prove in a clean process that the version answers the samples as it does here, before it is registered.
    store_examples
        Keep the samples, with their outputs, as the version's examples.
    **kwargs
        ``organization_name``.

    Returns
    -------
    Version
        The new version; its ``reference`` is what `load` takes.

    Raises
    ------
    InvalidArgument
        Something cannot be meant: a name, a runner that breaks its contract, a path, a tag, an unknown keyword.
    NotFound
        There is no model of this number, or an artifact does not exist.
    CannotPickle
        The model, or a name that the runner takes along, cannot leave this process.
    StageError
        A sample failed in one of the stages, or `save_model` raised.
    CheckFailed
        The version did not answer a sample in a clean process as it does here.
    RegistryError
        The registry's folder cannot be used as it is.
    """
    organization = organization_from(register_model, kwargs)
    check_name("model repository", repository_name)
    runner = check_runner(runner_cls)
    said = Said(
        check_requirements(requirements),
        check_artifacts(artifacts),
        [] if sample is None else list(sample) if isinstance(sample, list) else [sample],
        check,
        store_examples,
        check_tags(tags),
        check_aliases(aliases),
        check_text("description", description),
        check_env(env),
    )
    registry = open_registry()
    target = Target(
        registry, organization, repository_name, None if model_number is None else check_number(model_number)
    )
    before = target.find()
    check_instance(target, runner, model_instance)
    return register(target, before, runner, model_instance, said)


def register_torch_model(
    repository_name: str,
    model_number: int | None,
    model_instance: Any,
    preprocess_data: Callable[[Any], Any] | None = None,
    postprocess_data: Callable[[Any], Any] | None = None,
    requirements: Sequence[str] | None = None,
    *,
    sample: Any = None,
    tags: Mapping[str, Tag] | None = None,
    aliases: Sequence[str] | None = None,
    description: str = "",
    env: Sequence[str] | None = None,
    check: bool = True,
    store_examples: bool = True,
    **kwargs: Any,
) -> Version:
    """Register a torch module for serving: its prediction is ``model(data)``, in eval mode, without gradients.

    The live module is left exactly as it was.

    Parameters
    ----------
    repository_name, model_number
        As `register_model` takes them.
    model_instance
        The module.
    preprocess_data, postprocess_data
        Functions of one argument; the identity where they are left out.
    requirements
        As `register_model` takes them; torch itself is among those that are added.
    sample, tags, aliases, description, env, check, store_examples, **kwargs
        As `register_model` takes them.

    Returns
    -------
    Version
        The new version.

    Raises
    ------
    InvalidArgument
        The model is no torch module, and all that `register_model` raises.
    """
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(model_instance, torch.nn.Module):
        raise InvalidArgument(
            f"model_instance must be a torch.nn.Module, not {type(model_instance).__name__}.",
            "For other models use register_model, with a runner.",
        )
    organization_from(register_torch_model, kwargs)
    given = {"preprocess_data": preprocess_data, "postprocess_data": postprocess_data}
    methods = {name: staticmethod(function) for name, function in given.items() if function is not None}
    # The class is new each time, so it travels by value, with the functions.
    runner = type("TorchRunner", (TorchRunner,), {**methods, "__module__": "__main__"}) if methods else TorchRunner
    with _evaluating(model_instance):
        return register_model(
            repository_name,
            model_number,
            runner,
            model_instance,
            requirements,
            sample=sample,
            tags=tags,
            aliases=aliases,
            description=description,
            env=env,
            check=check,
            store_examples=store_examples,
            **kwargs,
        )


def check_instance(target: Target, runner: Runner, instance: Any) -> None:
    """Refuse a missing model where the registration needs one; InvalidArgument says why it does."""
    if instance is not None:
        return
    what = choose_by_skin("model_instance is missing", "The model is None")
    if target.number is None:
        raise InvalidArgument(
            f"{what}, and a new model needs one.",
            "Pass the model, {} where the runner needs none, or the number of an existing model that has its files.",
        )
    if not overrides(runner, "load_model"):
        raise InvalidArgument(
            f"{what}, and {runner.__name__} does not override load_model.",
            "Pass the model, or load it from the files of the volume in load_model(props, artifacts).",
        )


def check_aliases(aliases: Sequence[str] | None) -> list[str]:
    """Hold aliases against the rule, each once; InvalidArgument where one breaks it."""
    if not isinstance(aliases, list | tuple | None):
        raise InvalidArgument(f"aliases must be a list, not {aliases!r}.", "Write it as ['champion'].")
    return list(dict.fromkeys(map(check_alias, aliases or ())))


def check_env(env: Sequence[str] | None) -> list[str]:
    """Hold names of environment variables against what can be one, each once; InvalidArgument where one cannot."""
    if not isinstance(env, list | tuple | None):
        # What was given is not shown: it may hold the values, which are secrets.
        raise InvalidArgument(
            f"env must be a list of names, not a {type(env).__name__}.",
            f"Give names only, never values: {spell('env', ['API_KEY'])}.",
        )
    names: list[object] = list(env or ())
    for name in names:
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            shown = f"{name.partition('=')[0]}=..." if isinstance(name, str) and "=" in name else name
            raise InvalidArgument(
                f"{shown!r} cannot be the name of an environment variable.",
                f"Give names only, never values: {spell('env', ['API_KEY'])}.",
            )
    return list(dict.fromkeys(env or ()))


@contextmanager
def _evaluating(module: Any) -> Iterator[None]:
    """Put a torch module into eval mode, and each of its parts back into the mode that it was in.

    ``module.train(True)`` afterwards would unfreeze a part that the user had frozen.
    """
    modes = [(part, part.training) for part in module.modules()]
    try:
        module.eval()
        yield
    finally:
        for part, training in modes:
            part.training = training
