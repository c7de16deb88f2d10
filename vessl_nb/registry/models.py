"""Models and their files, and aliases: the functions of VESSL's SDK that notebooks use beside registering."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vessl_nb.errors import InvalidArgument, NotFound
from vessl_nb.registry.documents import AliasMoved, Archived, Deleted, FilesAdded, ModelCreated, RepositoryCreated
from vessl_nb.registry.names import (
    check_alias,
    check_keywords,
    check_name,
    check_number,
    check_text,
    default_organization,
    parse_reference,
)
from vessl_nb.registry.registry import open_registry
from vessl_nb.registry.version import Version
from vessl_nb.registry.volume import files_of
from vessl_nb.volume_paths import check_no_clash, check_volume_path, walk_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vessl_nb.registry.documents import Body
    from vessl_nb.registry.registry import Registry
    from vessl_nb.registry.state import ModelState, RepositoryState
    from vessl_nb.storage.blobs import Place
    from vessl_nb.storage.writers import Pins


@dataclass(frozen=True, slots=True)
class Model:
    """A model of a repository: a number, and perhaps registered revisions.

    Attributes
    ----------
    repository_name, organization_name
        Where it is.
    number
        Its number.
    name
        The name it was created with; empty where it was given none.
    revisions
        How often it was registered; 0 where it only holds files.
    """

    organization_name: str
    repository_name: str
    number: int
    name: str
    revisions: int


def create_model(
    repository_name: str,
    repository_description: str | None = None,
    experiment_id: int | None = None,
    model_name: str | None = None,
    paths: Sequence[str] | None = None,
    **kwargs: Any,
) -> Model:
    """Create a model with the next number, without anything to serve yet.

    Parameters
    ----------
    repository_name
        The model repository; it is created where there is none.
    repository_description
        Describes the repository, where it is new.
    experiment_id
        There are no experiments here: it must be None.
    model_name
        A name for the model.
    paths
        Files and folders to put into the model's volume, each under its own name.
    **kwargs
        ``organization_name``.

    Returns
    -------
    Model
        Its ``number`` is what `register_model` and `upload_model_volume_file` take.

    Raises
    ------
    InvalidArgument
        A name that cannot be, an unknown keyword, an experiment.
    NotFound
        One of the paths does not exist.
    """
    organization = organization_from(create_model, kwargs)
    check_name("model repository", repository_name)
    description = check_text("repository_description", repository_description)
    name = check_text("model_name", model_name)
    if experiment_id is not None:
        raise InvalidArgument(
            f"experiment_id is {experiment_id!r}, but a registry in a folder knows no experiments.",
            "Leave it out, and give the files as paths=[...].",
        )
    registry = open_registry()
    registry.check_new(organization, repository_name)
    sources = _files_named(paths)
    with registry.pins() as pins:
        files = _store(registry, sources, pins)
        if description and registry.find(organization, repository_name) is None:
            registry.commit(organization, repository_name, lambda _: RepositoryCreated(description=description))

        def decide(state: RepositoryState) -> Body:
            return ModelCreated(number=state.next_number(), name=name, files=files)

        state, body = registry.commit(organization, repository_name, decide, pins)
    assert isinstance(body, ModelCreated)  # noqa: S101  # it is what decide made
    return _model(state, state.models[body.number])


def read_model(repository_name: str, model_number: int, **kwargs: Any) -> Model:
    """Read a model of a repository.

    Parameters
    ----------
    repository_name
        The model repository.
    model_number
        The model's number.
    **kwargs
        ``organization_name``.

    Returns
    -------
    Model
        What is known of it.

    Raises
    ------
    InvalidArgument
        A name or number that cannot be, an unknown keyword.
    NotFound
        There is no such repository, or no model of this number.
    """
    organization = organization_from(read_model, kwargs)
    number = check_number(model_number)
    state = open_registry().repository(organization, check_name("model repository", repository_name))
    return _model(state, state.model(number))


def list_models(repository_name: str, **kwargs: Any) -> list[Model]:
    """List the models of a repository, oldest first.

    Parameters
    ----------
    repository_name
        The model repository.
    **kwargs
        ``organization_name``.

    Returns
    -------
    list of Model
        One for each number, those without anything to serve included.

    Raises
    ------
    InvalidArgument
        A name that cannot be, an unknown keyword.
    NotFound
        There is no such repository.
    """
    organization = organization_from(list_models, kwargs)
    state = open_registry().repository(organization, check_name("model repository", repository_name))
    return [_model(state, model) for model in reversed([*state.living()])]


def upload_model_volume_file(
    repository_name: str, model_number: int, source_path: str, dest_path: str, **kwargs: Any
) -> None:
    """Put a file, or a folder's whole tree, into a model's volume; what is registered from now on has it.

    Parameters
    ----------
    repository_name, model_number
        The model.
    source_path
        A file or a folder of this machine.
    dest_path
        Its path in the volume.
    **kwargs
        ``organization_name``.

    Raises
    ------
    NotFound
        There is no such model or file.
    InvalidArgument
        The path in the volume is absolute, leaves it, is reserved, or would be a file and a folder at once.
    """
    organization = organization_from(upload_model_volume_file, kwargs)
    number = check_number(model_number)
    registry = open_registry()
    state = registry.repository(organization, check_name("model repository", repository_name))
    sources = _files_at(source_path, dest_path)
    check_no_clash([*files_of(registry, state.model(number)), *sources])
    with registry.pins() as pins:
        files = _store(registry, sources, pins)

        def decide(state: RepositoryState) -> Body:
            check_no_clash([*files_of(registry, state.model(number)), *sources])  # another may have come since
            return FilesAdded(number=number, files=files)

        registry.commit(state.organization, state.name, decide, pins)


def set_alias(reference: str, alias: str) -> Version:
    """Let an alias point at a version; it moves where it pointed at another.

    Parameters
    ----------
    reference
        The version, such as ``iris:3``.
    alias
        The alias, such as ``champion``.

    Returns
    -------
    Version
        The version, with its aliases.

    Raises
    ------
    InvalidArgument
        The alias cannot be one; a number, say.
    NotFound
        The reference names nothing.
    """
    check_alias(alias)
    parsed = parse_reference(reference)
    registry = open_registry()
    _, revision = registry.resolve(parsed)
    number, index = revision.registered.number, revision.registered.revision

    def decide(state: RepositoryState) -> Body:
        state.revision(number, index)  # it may have been deleted since
        return AliasMoved(alias=alias, number=number, revision=index)

    state, _ = registry.commit(parsed.organization, parsed.repository, decide)
    return Version.of(registry, state, state.models[number].revisions[index - 1])


def archive(reference: str) -> Version:
    """Put a model aside: a reference without a number passes it over; everything else still finds it.

    Parameters
    ----------
    reference
        The model, such as ``iris:3``; all revisions of its number are meant.

    Returns
    -------
    Version
        The version that the reference names.

    Raises
    ------
    NotFound
        The reference names nothing.
    """
    return _archive(reference, undone=False)


def unarchive(reference: str) -> Version:
    """Take a model back that was archived.

    Parameters
    ----------
    reference
        The model by its number, such as ``iris:3``.

    Returns
    -------
    Version
        The version that the reference names.

    Raises
    ------
    InvalidArgument
        The reference has no number.
    NotFound
        The reference names nothing.
    """
    return _archive(reference, undone=True)


def delete_model(repository_name: str, model_number: int, **kwargs: Any) -> None:
    """Delete a model with all its revisions and aliases; its number is not used again.

    What only it held stays on disk until ``vessl-nb gc``.

    Parameters
    ----------
    repository_name
        The model repository.
    model_number
        The model's number.
    **kwargs
        ``organization_name``.

    Raises
    ------
    InvalidArgument
        A name or number that cannot be, an unknown keyword.
    NotFound
        There is no such repository, or no model of this number.
    """
    organization = organization_from(delete_model, kwargs)
    number = check_number(model_number)
    registry = open_registry()
    state = registry.repository(organization, check_name("model repository", repository_name))

    def decide(state: RepositoryState) -> Body:
        state.model(number)
        return Deleted(number=number)

    decide(state)
    registry.commit(state.organization, state.name, decide)


def _archive(reference: str, *, undone: bool) -> Version:
    parsed = parse_reference(reference)
    if undone and parsed.number is None:  # without one, those that are archived are passed over
        raise InvalidArgument(f"{reference!r} has no number.", f"Name it, as in '{parsed.repository}:3'.")
    registry = open_registry()
    state, revision = registry.resolve(parsed)
    number = revision.registered.number
    if state.model(number).archived == undone:  # else there is nothing to do
        body = Archived(number=number, undone=undone)
        state, _ = registry.commit(parsed.organization, parsed.repository, lambda _: body)
    return Version.of(registry, state, state.models[number].revisions[revision.registered.revision - 1])


def organization_from(function: Callable[..., object], keywords: dict[str, Any]) -> str:
    """Take the organization from a function's further keywords, of which there is no other."""
    check_keywords(function, keywords, ("organization_name",))
    named = keywords.get("organization_name")
    return default_organization() if named is None else check_name("organization", named)


def _model(state: RepositoryState, model: ModelState) -> Model:
    return Model(state.organization, state.name, model.number, model.name, len(model.revisions))


def _files_at(source_path: str, volume_path: str) -> dict[str, Path]:
    source = Path(source_path).expanduser()
    path = check_volume_path(volume_path)
    if source.is_dir():
        files = {check_volume_path(f"{path}/{inner}"): file for inner, file in walk_folder(source).items()}
        if not files:
            raise NotFound(f"There are no files in {source_path!r}.", "Check the path.")
        return files
    if not source.is_file():
        raise NotFound(f"There is no file {source_path!r} (looked in {Path.cwd()}).", "Check the path.")
    return {path: source}


def _files_named(paths: Sequence[str] | None) -> dict[str, Path]:
    if not isinstance(paths, list | tuple | None):
        raise InvalidArgument(f"paths must be a list, not {paths!r}.", f"Write it as [{paths!r}].")
    files: dict[str, Path] = {}
    for given in paths or ():
        for path, source in _files_at(given, Path(given).name).items():
            if path in files:
                raise InvalidArgument(
                    f"{str(files[path])!r} and {str(source)!r} would both be {path!r} in the volume.",
                    "Leave one of them out, and upload it under another name with upload_model_volume_file.",
                )
            files[path] = source
    check_no_clash(files)
    return files


def _store(registry: Registry, files: dict[str, Path], pins: Pins) -> dict[str, Place]:
    places, _ = registry.blobs.store(list(files.values()), pins)
    return dict(zip(files, places, strict=True))
