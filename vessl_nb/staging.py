"""A version that is complete but not committed: everything that may fail is done, then all of it is written at once."""

from __future__ import annotations

import marshal
import platform
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from vessl_nb.capture.artifacts import find_artifacts
from vessl_nb.capture.instances import decode_input
from vessl_nb.capture.inventory import refuse, remarks_on_source, take_inventory, undefined_in, unpicklable_in, warn
from vessl_nb.capture.names import find_names
from vessl_nb.capture.origin import find_origin, package_versions
from vessl_nb.capture.pickles import NO_MODEL, Capturing, full_name
from vessl_nb.capture.signature import infer_signature
from vessl_nb.capture.source import write_source
from vessl_nb.checking import run_check
from vessl_nb.definitions import minor_version
from vessl_nb.errors import Damaged, InvalidArgument, RegistryError, StageError
from vessl_nb.fresh_process import clean_process
from vessl_nb.loading import call_load_model, working_directory
from vessl_nb.manifest import Code, Manifest, Pickles, Source, encode_manifest
from vessl_nb.registry.documents import Registered
from vessl_nb.registry.garbage import collect_garbage
from vessl_nb.registry.names import Tag, check_text
from vessl_nb.registry.version import Version
from vessl_nb.registry.volume import copy_files, files_of
from vessl_nb.runner import Runner, answer, overrides
from vessl_nb.spelling import choose_by_skin
from vessl_nb.storage.disk import copy_file
from vessl_nb.storage.pickling import LARGE_PIECE
from vessl_nb.temporary_folder import temporary_folder
from vessl_nb.values.encoding import encode, encode_loosely
from vessl_nb.volume_paths import check_no_clash, check_volume_path, walk_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from vessl_nb.capture.inventory import Inventory
    from vessl_nb.capture.names import Names
    from vessl_nb.capture.pickles import Captured
    from vessl_nb.capture.source import Source as Text
    from vessl_nb.fresh_process import CleanProcess
    from vessl_nb.manifest import Origin, Signature
    from vessl_nb.registry.documents import Body
    from vessl_nb.registry.registry import Registry
    from vessl_nb.registry.state import ModelState, RepositoryState
    from vessl_nb.storage.blobs import Blobs, Content, Place
    from vessl_nb.storage.writers import Pins


@dataclass(frozen=True, slots=True)
class Said:
    """What the user said of a version, checked."""

    requirements: list[str]
    artifacts: dict[str, str]
    samples: list[Any]
    check: bool
    store_examples: bool
    tags: dict[str, Tag]
    aliases: list[str]
    description: str
    env: list[str]


@dataclass(frozen=True, slots=True)
class Target:
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


@dataclass(frozen=True, slots=True)
class Staged:
    """A version that is complete and checked, of which nothing is written yet."""

    runner: Runner
    model: str  # the full name of its type; empty where the runner loads it itself
    props: dict[str, str] | None
    examples: list[dict[str, Any]]
    again: Callable[[Any], Any]
    captured: Captured
    inventory: Inventory
    source: Text
    signature: Signature | None
    packages: dict[str, str]
    origin: Origin
    local_files: dict[str, Path]
    old_files: dict[str, Place]


def register(target: Target, before: RepositoryState | None, runner: Runner, instance: Any, said: Said) -> Version:
    """Stage a version, write what it holds, and commit it.

    Parameters
    ----------
    target
        Where it goes.
    before
        The repository as it was when the arguments were checked; None where there is none yet.
    runner, instance
        The runner, and the model; None where the runner loads it from files that are there.
    said
        What the user said of it.

    Returns
    -------
    Version
        The new version.
    """
    names = find_names([runner, type(instance)])
    refuse(undefined_in(names))
    # What a class of the model's, written beside the runner, holds is better found on the way to it.
    refuse(unpicklable_in(find_names([runner]) if type(instance) in names.definitions else names))
    while True:
        existing = target.model(before)
        is_checked = said.check and bool(said.samples)
        with temporary_folder() as folder, clean_process(said.env) if is_checked else nullcontext() as process:
            staged = _stage(target, existing, runner, instance, said, names, folder)
            try:
                return _commit(target, before, existing, staged, said, process)
            except _Overtaken as overtaken:
                before = overtaken.state


class _Overtaken(Exception):
    """Another writer changed the model meanwhile: what it put there belongs to this version, and may answer."""

    def __init__(self, state: RepositoryState) -> None:
        super().__init__()
        self.state = state


def _stage(
    target: Target,
    existing: ModelState | None,
    runner: Runner,
    instance: Any,
    said: Said,
    names: Names,
    staging: Path,
) -> Staged:
    """Do everything that may fail: save, find the files, answer the samples, pickle, and look at what goes along."""
    props = _save(runner, instance, staging) if instance is not None and overrides(runner, "save_model") else None
    local_files = _find_files(said.artifacts, staging)
    old_files = files_of(target.registry, existing) if existing else {}
    check_no_clash([*old_files, *local_files])
    is_pickled = not overrides(runner, "load_model")
    model = instance
    if said.samples and not is_pickled:
        # What will answer is what load_model gives, so it answers now.
        model = _load_from_files(target.registry, runner, props, said.artifacts, old_files, local_files)
    # The runner is pickled before the samples run: what these leave in its caches does not ship. The model after them:
    # whatever they leave behind in it is then the same in pickles and buffers.
    capturing = Capturing(runner)
    examples = [_answer(runner, model, sample) for sample in said.samples]
    captured = capturing.finish(instance if is_pickled else NO_MODEL)
    known = {id(definition) for definition in names.definitions}
    if any(id(written) not in known for written in captured.written):  # classes deep inside the model
        names = find_names([runner, *captured.written])
        refuse(undefined_in(names))
    inventory = take_inventory(
        runner, names, declared=said.requirements, env=said.env, behind=captured.modules if is_pickled else ()
    )
    source = write_source(runner, captured, names, inventory.modules.top_level)
    warn([*inventory.remarks, *remarks_on_source(source.text)])
    return Staged(
        runner,
        full_name(type(instance)) if is_pickled else "",
        props,
        examples,
        lambda sample: encode_loosely(answer(runner, model, decode_input(runner, sample))),
        captured,
        inventory,
        source,
        infer_signature(runner, examples),
        package_versions([type(instance), *map(type, captured.values.values())]),
        find_origin(),
        local_files,
        old_files,
    )


def _commit(
    target: Target,
    before: RepositoryState | None,
    existing: ModelState | None,
    staged: Staged,
    said: Said,
    process: CleanProcess | None,
) -> Version:
    """Put all that a version holds on disk, and then its document; _Overtaken where its model changed meanwhile."""
    with _taken_back(target.registry) as added, target.registry.pins() as pins:
        known = _known_places(target.registry, before, existing)
        manifest, written = _write_blobs(target.registry.blobs, known, pins, staged, said)
        if process is not None:
            places = [*manifest.places(), written.manifest, *([written.examples] if written.examples else [])]
            added += [place.home for place in places]
            check = run_check(
                process,
                target.registry.folder,
                manifest,
                staged.examples,
                captured=staged.captured,
                again=staged.again,
                alive=pins.stay_alive,
            )
            written = msgspec.structs.replace(written, check=check)
            added.clear()

        def decide(state: RepositoryState) -> Body:
            model = target.model(state)
            if model != existing:
                raise _Overtaken(state)
            return msgspec.structs.replace(
                written,
                number=model.number if model else state.next_number(),
                revision=len(model.revisions) + 1 if model else 1,
            )

        state, body = target.registry.commit(target.organization, target.repository_name, decide, pins)
    assert isinstance(body, Registered)  # noqa: S101  # it is what decide made
    return Version.of(target.registry, state, state.models[body.number].revisions[body.revision - 1])


@contextmanager
def _taken_back(registry: Registry) -> Iterator[list[str]]:
    """Free, where something fails, the blobs whose digests are listed meanwhile, unless somebody else wants them."""
    added: list[str] = []
    try:
        yield added
    except BaseException:
        if added:
            with suppress(RegistryError):  # then the next gc frees them
                collect_garbage(registry, only=set(added))
        raise


def _write_blobs(
    blobs: Blobs, known: list[Place], pins: Pins, staged: Staged, said: Said
) -> tuple[Manifest, Registered]:
    """Put all that a version holds on disk; give its manifest, and its document, but for number and revision."""
    captured = staged.captured
    code = marshal.dumps(captured.code, 2) if captured.code else b""  # version 2: equal code is equal bytes
    # What was written by hand may hold a secret: it shares no blob with other versions, so that it can be purged.
    small = [piece for piece in captured.pieces if piece.nbytes < LARGE_PIECE]
    large = [piece for piece in captured.pieces if piece.nbytes >= LARGE_PIECE]
    modules = staged.inventory.modules.files
    sources = [path for path, file in modules.items() if file.stat().st_size < LARGE_PIECE]
    others = [path for path in modules if path not in sources]
    by_hand: list[Content] = [*small, code, staged.source.text.encode(), *(modules[path] for path in sources)]
    data: list[Content] = [
        *large,
        *captured.buffers,
        *staged.local_files.values(),
        *(modules[path] for path in others),
    ]
    with ThreadPoolExecutor(1, "vessl_nb") if data else nullcontext() as beside:  # while the large ones are hashed
        storing = beside.submit(blobs.store, by_hand, pins) if beside else None
        shared, added_shared = blobs.store(data, pins, known)
    own, added_own = storing.result() if storing else blobs.store(by_hand, pins)
    ours, theirs = iter(own), iter(shared)
    pieces = [next(ours if piece.nbytes < LARGE_PIECE else theirs) for piece in captured.pieces]
    code_place, source_place = next(ours), next(ours)
    buffers = [next(theirs) for _ in captured.buffers]
    files = {path: next(theirs) for path in staged.local_files}
    places = dict(zip(sources, ours, strict=True)) | dict(zip(others, theirs, strict=True))
    manifest = Manifest(
        runner=staged.runner.__name__,
        model=staged.model,
        pickles=Pickles(pieces=pieces, objects=["runner", "model"] if staged.model else ["runner"], buffers=buffers),
        code=Code(place=code_place, python=minor_version()) if code else None,
        captures=staged.inventory.captures,
        source=Source(place=source_place, written=staged.source.written, unwritten=staged.source.unwritten)
        if staged.source.text
        else None,
        modules={path: places[path] for path in modules},
        props=staged.props,
        artifacts=said.artifacts,
        files={**staged.old_files, **files},
        requirements=staged.inventory.requirements,
        env=said.env,
        reads=sorted(staged.inventory.reads),
        signature=staged.signature,
        python=platform.python_version(),
        packages=staged.packages,
        origin=staged.origin,
    )
    pins.add({place.home for place in staged.old_files.values()})
    # Examples have a blob of their own, so that they can be purged.
    examples = [msgspec.json.encode(staged.examples)] if staged.examples and said.store_examples else []
    example_places, added_examples = blobs.store(examples, pins)
    [manifest_place], added_manifest = blobs.store([encode_manifest(manifest)], pins)
    held = {place.digest: place.length for place in (*manifest.places(), manifest_place, *example_places)}
    return manifest, Registered(
        number=1,
        revision=1,
        manifest=manifest_place,
        examples=example_places[0] if example_places else None,
        runner=manifest.runner,
        size=sum(held.values()),
        added=added_own + added_shared + added_manifest + added_examples,
        requirements=[requirement.line for requirement in manifest.requirements],
        tags=said.tags,
        aliases=said.aliases,
        description=said.description,
        unchecked=not said.check,
    )


def _find_files(artifacts: dict[str, str], staging: Path) -> dict[str, Path]:
    """Collect the files that go into the volume: those that save_model wrote, and the artifacts."""
    files = {check_volume_path(path): file for path, file in walk_folder(staging).items()}
    for path, file in find_artifacts(artifacts, [staging, Path.cwd()] if artifacts else []).items():
        if path in files and files[path] != file:
            raise InvalidArgument(
                f"save_model wrote {path!r}, which the artifact {str(file)!r} claims as well.",
                "Give the artifact another target.",
            )
        files[path] = file
    return files


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
    with temporary_folder() as volume:
        kept = {path: place for path, place in old_files.items() if path not in local_files}
        copy_files(registry.blobs, kept, volume)
        for path, file in local_files.items():
            (volume / path).parent.mkdir(parents=True, exist_ok=True)
            with file.open("rb") as source, (volume / path).open("xb") as copy:
                copy_file(source.fileno(), copy.fileno())
        return call_load_model(runner, props, artifacts, volume)


def _answer(runner: Runner, model: Any, sample: Any) -> dict[str, Any]:
    """Send a sample through the stages; StageError where one fails."""
    encoded = encode(sample)  # before it runs: a stage may change it in place
    shows = choose_by_skin("`preview`", "%vessl_preview")
    value = answer(runner, model, sample, f"Nothing was registered; {shows} shows what each stage was given.")
    return {"input": encoded, "output": encode_loosely(value)}


def _known_places(registry: Registry, state: RepositoryState | None, existing: ModelState | None) -> list[Place]:
    """List what the newest version holds, and the model's own: what the new one shares is not written again."""
    newest = [state.newest() if state else None, existing.current() if existing else None]
    known: list[Place] = []
    for revision in newest:
        with suppress(Damaged):  # then nothing is shared with it
            known += registry.manifest(revision.registered.manifest).places() if revision else []
    return known
