"""The road in: a runner and its model become a version.

Everything is validated before anything is written: after a refusal the registry is as it was, byte for byte.
"""

from __future__ import annotations

import marshal
import platform
import re
import shutil
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from vessl_nb.capture.artifacts import check_artifacts, find_artifacts
from vessl_nb.capture.origin import find_origin
from vessl_nb.capture.pickles import NO_MODEL, capture, full_name
from vessl_nb.capture.requirements import check_requirements, package_versions, with_package
from vessl_nb.capture.source import write_source
from vessl_nb.errors import Damaged, InvalidArgument, StageError
from vessl_nb.loading import call_load_model, working_directory
from vessl_nb.manifest import Code, Manifest, Pickles, Requirement, encode_manifest
from vessl_nb.registry.documents import Registered
from vessl_nb.registry.models import organization_from
from vessl_nb.registry.names import Tag, check_alias, check_name, check_tags, check_text
from vessl_nb.registry.registry import Registry, open_registry
from vessl_nb.registry.version import Version
from vessl_nb.registry.volume import files_of
from vessl_nb.runner import Runner, TorchRunner, check_runner, overrides
from vessl_nb.stages import run_stages
from vessl_nb.values.encoding import encode, encode_loosely
from vessl_nb.volume_paths import check_no_clash, check_volume_path, walk_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from vessl_nb.registry.documents import Body
    from vessl_nb.registry.state import ModelState, RepositoryState
    from vessl_nb.storage.blobs import Content, Place


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
        Python packages that the version needs, as pip takes them.
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
    RegistryError
        The registry's folder cannot be used as it is.
    """
    organization = organization_from(register_model, kwargs)
    check_name("model repository", repository_name)
    runner = check_runner(runner_cls)
    said = _Said(
        check_requirements(requirements),
        check_artifacts(artifacts),
        [] if sample is None else list(sample) if isinstance(sample, list) else [sample],
        check_tags(tags),
        _check_aliases(aliases),
        check_text("description", description),
        _check_env(env),
    )
    registry = open_registry()
    target = _Target(registry, organization, repository_name, _check_number(model_number))
    before = target.find()
    _check_instance(target, runner, model_instance)
    with _staging_folder() as staging:
        return _register(target, before, runner, model_instance, said, staging)


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
        As `register_model` takes them; ``torch`` is added.
    sample, tags, aliases, description, env, **kwargs
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
            with_package(check_requirements(requirements), "torch"),
            sample=sample,
            tags=tags,
            aliases=aliases,
            description=description,
            env=env,
            **kwargs,
        )


@dataclass(frozen=True, slots=True)
class _Said:
    """What the user said of a version, checked."""

    requirements: list[str]
    artifacts: dict[str, str]
    samples: list[Any]
    tags: dict[str, Tag]
    aliases: list[str]
    description: str
    env: list[str]


@dataclass(frozen=True, slots=True)
class _Target:
    """Where a version goes."""

    registry: Registry
    organization: str
    repository_name: str
    number: int | None

    def find(self) -> RepositoryState | None:
        """Read the repository as it is; NotFound where a number is given that it does not have."""
        if self.number is None:
            self.registry.check_new(self.organization, self.repository_name)
            return self.registry.find(self.organization, self.repository_name)
        state = self.registry.repository(self.organization, self.repository_name)
        state.model(self.number)
        return state

    def model(self, state: RepositoryState | None) -> ModelState | None:
        """Give the model that is overwritten, if one is."""
        return state.model(self.number) if state and self.number is not None else None


def _register(
    target: _Target, before: RepositoryState | None, runner: Runner, instance: Any, said: _Said, staging: Path
) -> Version:
    props = _save(runner, instance, staging) if instance is not None and overrides(runner, "save_model") else None
    local_files = {check_volume_path(path): file for path, file in walk_folder(staging).items()}
    for path, file in find_artifacts(said.artifacts, [staging, Path.cwd()]).items():
        if path in local_files and local_files[path] != file:
            raise InvalidArgument(
                f"save_model wrote {path!r}, which the artifact {str(file)!r} claims as well.",
                "Give the artifact another target.",
            )
        local_files[path] = file
    existing = target.model(before)
    old_files = files_of(target.registry, existing.layers) if existing else {}
    check_no_clash([*old_files, *local_files])
    is_pickled = not overrides(runner, "load_model")
    ran = instance
    if said.samples and not is_pickled:
        # What will answer is what load_model gives, so it answers now.
        ran = _load_from_files(target.registry, runner, props, said.artifacts, old_files, local_files)
    # The samples run first: whatever they leave behind in the model is then the same in pickles and buffers.
    examples = [_answer(runner, ran, sample) for sample in said.samples]
    captured = capture(runner, instance if is_pickled else NO_MODEL)
    code = marshal.dumps(captured.code, 2) if captured.code else b""  # version 2: equal code is equal bytes
    source = write_source(captured).encode()
    packages = package_versions([type(instance), *map(type, captured.values.values())])
    origin = find_origin()

    # From here on things are written; nothing above this line touched the registry.
    contents: list[Content] = [captured.pickles, *captured.buffers, code, source, *local_files.values()]
    stored, added = target.registry.store(contents, _known_places(target.registry, before))
    places = iter(stored)
    pickles = Pickles(
        place=next(places),
        objects=["runner", "model"] if is_pickled else ["runner"],
        buffers=[next(places) for _ in captured.buffers],
    )
    code_place, source_place = next(places), next(places)
    manifest = Manifest(
        runner=runner.__name__,
        model=full_name(type(instance)) if is_pickled else "",
        pickles=pickles,
        code=Code(place=code_place, python=_minor_version()) if code else None,
        captures=captured.captures,
        source=source_place if source else None,
        props=props,
        artifacts=said.artifacts,
        files=dict(zip(local_files, places, strict=True)),
        requirements=[Requirement(line, "declared") for line in said.requirements],
        env=said.env,
        python=platform.python_version(),
        packages=packages,
        origin=origin,
    )
    documents = [encode_manifest(manifest), *([msgspec.json.encode(examples)] if examples else [])]
    stored_documents = [target.registry.store([document]) for document in documents]
    (manifest_place, *example_places) = [place for [place], _ in stored_documents]
    added += sum(written for _, written in stored_documents)
    volume = {**old_files, **manifest.files}
    held = [*manifest.places(), *volume.values(), manifest_place, *example_places]
    size = sum({place.digest: place.length for place in held}.values())

    def decide(state: RepositoryState) -> Body:
        model = target.model(state)
        if model and existing and model.layers != existing.layers:  # files came since
            check_no_clash([*files_of(target.registry, model.layers), *local_files])
        return Registered(
            number=model.number if model else state.next_number(),
            revision=len(model.revisions) + 1 if model else 1,
            manifest=manifest_place,
            examples=example_places[0] if example_places else None,
            runner=runner.__name__,
            size=size,
            added=added,
            requirements=said.requirements,
            tags=said.tags,
            aliases=said.aliases,
            description=said.description,
        )

    state, body = target.registry.commit(target.organization, target.repository_name, decide)
    assert isinstance(body, Registered)  # noqa: S101  # it is what decide made
    return Version.of(target.registry, state, state.models[body.number].revisions[body.revision - 1])


def _save(runner: Runner, instance: Any, staging: Path) -> dict[str, str] | None:
    """Let the runner save its model into the staging folder, and check the props."""
    with working_directory(staging):
        try:
            props: object = runner.save_model(instance)
        except Exception as error:
            next_step = "It runs in the version's volume, a new folder. Nothing was registered."
            raise StageError.from_exception(runner.__name__, "save_model", error, next_step) from error
    if props is None:
        return None
    if not isinstance(props, dict) or not all(isinstance(text, str) for item in props.items() for text in item):
        raise InvalidArgument(
            f"{runner.__name__}.save_model returned {props!r}, not a dictionary of text to text.",
            'Return something like {"path": "model.pt"}.',
        )
    for name, value in props.items():
        for text in (name, value):
            check_text(f"{runner.__name__}.save_model's {name!r}", text)
        if str(staging) in value:
            raise InvalidArgument(
                f"{runner.__name__}.save_model returned {name}={value!r}: a path into a folder that will be gone.",
                f"Return it relative to the working directory: {value.replace(f'{staging}/', '')!r}.",
            )
    return props


def _load_from_files(
    registry: Registry,
    runner: Runner,
    props: dict[str, str] | None,
    artifacts: dict[str, str],
    old_files: Mapping[str, Place],
    local_files: Mapping[str, Path],
) -> Any:
    """Load a model as the registered version will, from the files that its volume will have."""
    with _staging_folder() as volume:
        contents = {path: registry.blobs.view(place) for path, place in old_files.items()}
        contents |= {path: memoryview(file.read_bytes()) for path, file in local_files.items()}
        for path, content in contents.items():
            target = volume / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        return call_load_model(runner, props, dict(artifacts), volume)  # a copy: it may change what it is given


def _answer(runner: Runner, model: Any, sample: Any) -> dict[str, Any]:
    """Send a sample through the stages; StageError where one fails."""
    encoded = encode(sample)  # before it runs: a stage may change it in place
    preview = run_stages(runner, sample, model)
    if error := preview.error:
        next_step = "Nothing was registered; `preview` shows what each stage was given."
        raise StageError(
            error.what, next_step, stage=error.stage, problem=error.problem, lines=error.lines
        ) from error.__cause__
    return {"input": encoded, "output": encode_loosely(preview.output)}


def _known_places(registry: Registry, state: RepositoryState | None) -> list[Place]:
    """List what the newest version holds: what the new one shares with it is not written again."""
    newest = next(state.current_revisions(), None) if state else None
    try:
        return registry.manifest(newest.registered.manifest).places() if newest else []
    except Damaged:  # then nothing is shared with it
        return []


def _minor_version() -> str:
    return ".".join(platform.python_version_tuple()[:2])


def _check_number(number: object) -> int | None:
    if number is None or (type(number) is int and number > 0):
        return number
    raise InvalidArgument(
        f"model_number is {number!r}.", "Give None for a new model, or the number of an existing one."
    )


def _check_instance(target: _Target, runner: Runner, instance: Any) -> None:
    if instance is not None:
        return
    if target.number is None:
        raise InvalidArgument(
            "model_instance is missing, and a new model needs one.",
            "Pass the model, or the number of an existing model that has its files.",
        )
    if not overrides(runner, "load_model"):
        raise InvalidArgument(
            f"model_instance is missing, and {runner.__name__} does not override load_model.",
            "Pass the model, or load it from the files of the volume in load_model(props, artifacts).",
        )


def _check_aliases(aliases: Sequence[str] | None) -> list[str]:
    if not isinstance(aliases, list | tuple | None):
        raise InvalidArgument(f"aliases must be a list, not {aliases!r}.", "Write it as ['champion'].")
    return list(dict.fromkeys(map(check_alias, aliases or ())))


def _check_env(env: Sequence[str] | None) -> list[str]:
    if not isinstance(env, list | tuple | None):
        # What was given is not shown: it may hold the values, which are secrets.
        raise InvalidArgument(
            f"env must be a list of names, not a {type(env).__name__}.", "Give names only, never values: ['API_KEY']."
        )
    names: list[object] = list(env or ())
    for name in names:
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            shown = f"{name.partition('=')[0]}=..." if isinstance(name, str) and "=" in name else name
            raise InvalidArgument(
                f"{shown!r} cannot be the name of an environment variable.",
                "Give names only, never values: ['API_KEY'].",
            )
    return list(dict.fromkeys(env or ()))


@contextmanager
def _staging_folder() -> Iterator[Path]:
    # Resolved, because a runner that asks for its working directory gets the real path.
    folder = Path(tempfile.mkdtemp(prefix="vessl_nb-")).resolve()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


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
