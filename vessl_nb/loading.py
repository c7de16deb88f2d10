"""The road out: a version, loaded and run."""

from __future__ import annotations

import functools
import importlib
import os
import threading
import warnings
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vessl_nb.capture.functions import functions_behind
from vessl_nb.capture.requirements import missing_requirements
from vessl_nb.definitions import load_code
from vessl_nb.errors import CannotLoad, MissingRequirement, NotFound, StageError, VesslError
from vessl_nb.local_modules import make_importable
from vessl_nb.registry.names import parse_reference
from vessl_nb.registry.registry import open_registry
from vessl_nb.registry.version import Version
from vessl_nb.registry.volume import make_volume
from vessl_nb.runner import answer, overrides
from vessl_nb.storage.pickling import BufferUnpickler, restoring
from vessl_nb.storage.restore import Context
from vessl_nb.values.secrets import mask_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from vessl_nb.manifest import Manifest
    from vessl_nb.runner import Runner
    from vessl_nb.stages import Preview
    from vessl_nb.storage.blobs import Blobs


class LoadedModel:
    """A version, ready to run.

    Attributes
    ----------
    model
        The model, as `predict` gets it.
    runner
        The runner class.
    version
        The version that it was loaded from.
    """

    def __init__(self, runner: Runner, model: Any, version: Version) -> None:
        self.runner = runner
        self.model = model
        self.version = version

    def run(self, data: Any) -> Any:
        """Answer one request: preprocess, predict, postprocess.

        Parameters
        ----------
        data
            What a client sends.

        Returns
        -------
        object
            What the client gets.

        Raises
        ------
        StageError
            The runner's code raised; what it raised is the error's ``__cause__``.
        """
        return answer(self.runner, self.model, data, "preview(data) shows what each stage was given.")

    def preview(self, data: Any) -> Preview:
        """Send a sample through the three stages, and keep what each of them returns."""
        from vessl_nb.stages import run_stages  # noqa: PLC0415  # a server need not have what draws a preview

        return run_stages(self.runner, data, self.model)

    def __repr__(self) -> str:
        return f"<LoadedModel {self.version.reference}: {self.runner.__name__}>"


def load(reference: str, device: str | None = None, *, from_source: bool = False) -> LoadedModel:
    """Load a version.

    Parameters
    ----------
    reference
        ``iris`` (the newest), ``iris:3``, ``iris:champion``, ``iris:3@1`` (revision 1), ``org/iris:3``.
    device
        Where tensors go, such as ``cpu`` or ``cuda:1``; None leaves each where it was when it was registered, if that
        is here, else it goes to the CPU.
    from_source
        Compile what was written in the notebook anew, from ``runner.py``, as under another Python version.

    Returns
    -------
    LoadedModel
        Its ``run(data)`` answers a request.

    Raises
    ------
    InvalidReference, NotFound
        The reference cannot be read, or names nothing.
    WrongPython, MissingRequirement, LocalModuleConflict
        The version does not run in this process.
    Damaged
        Something of it is missing, or is not what was written.
    StageError
        The runner's `load_model` raised.
    """
    registry = open_registry()
    state, revision = registry.resolve(parse_reference(reference))
    version = Version.of(registry, state, revision)
    check_environment(version)
    runner, model = load_manifest(version.manifest, registry.blobs, device, from_source=from_source, with_lines=True)
    return LoadedModel(runner, model, version)


def load_manifest(
    manifest: Manifest,
    blobs: Blobs,
    device: str | None = None,
    *,
    from_source: bool = False,
    with_lines: bool = False,
) -> tuple[Runner, Any]:
    """Load what a manifest describes, whether it is registered or not.

    Parameters
    ----------
    manifest
        The manifest.
    blobs
        Where its contents are.
    device, from_source
        As `load` takes them.
    with_lines
        Let tracebacks show the lines of ``runner.py``. Without them, a line of byte code is one of the notebook's.

    Returns
    -------
    runner : type
        The runner class.
    model : object
        The model, as `predict` gets it.
    """
    code = load_code(manifest, blobs, from_source=from_source, with_lines=with_lines)
    if manifest.modules:
        make_importable(manifest.modules, blobs)
    count = len(manifest.pickles.pieces)
    views = blobs.map([*manifest.pickles.pieces, *manifest.pickles.buffers])
    unpickler = BufferUnpickler(views[:count], views[count:])
    loaded: dict[str, Any] = {}
    with restoring(Context(code, device)):
        for name in manifest.pickles.objects:
            try:
                loaded[name] = unpickler.load()
            except VesslError:
                raise
            except Exception as error:  # an import that is not here, a class that changed: whatever unpickling raises
                kind = manifest.runner if name == "runner" else manifest.model
                raise CannotLoad(
                    f"Cannot load the {name}, {kind}: {type(error).__name__}: {error}",
                    "It was registered with other packages, perhaps: `vessl-nb show` lists them.",
                ) from error
    if "runner" not in loaded:
        raise CannotLoad("The version's manifest names no runner.", "Load it from another copy of the registry.")
    runner: Runner = loaded["runner"]
    if overrides(runner, "load_model"):
        volume = make_volume(blobs, manifest)
        return runner, call_load_model(runner, manifest.props, manifest.artifacts, volume)
    return runner, loaded.get("model")


def captured(name: str) -> Any:
    """Give a value that a version's ``runner.py`` asks for, because it has no source, or a module of the version's own.

    Parameters
    ----------
    name
        The global name that the value had in the notebook, or the module's name.

    Returns
    -------
    object
        The value. A module can be imported from then on; one that can be already is not looked for in the version.

    Raises
    ------
    CannotLoad
        ``VESSL_NB_VERSION``, which says of which version ``runner.py`` is, is not set.
    NotFound
        The version has no such value.
    """
    reference = os.environ.get("VESSL_NB_VERSION", "")
    if not reference and (module := _import_if_here(name)):
        return module
    if not reference:
        raise CannotLoad(
            f"runner.py asks for {name!r}, and it is not known of which version it is.",
            "Run it as: VESSL_NB_VERSION=iris:3 python runner.py",
        )
    loaded = _load_once(reference)
    for function in chain.from_iterable(map(functions_behind, loaded.runner.__mro__)):
        if name in function.__globals__:
            return function.__globals__[name]
    if any(path.partition("/")[0].partition(".")[0] == name for path in loaded.version.manifest.modules):
        return importlib.import_module(name)
    raise NotFound(f"{reference} has no value {name!r}.", "Is it the version that this runner.py is of?")


def _import_if_here(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


@functools.lru_cache(maxsize=1)
def _load_once(reference: str) -> LoadedModel:
    return load(reference)


def call_load_model(runner: Runner, props: dict[str, str] | None, artifacts: dict[str, str], volume: Path) -> Any:
    """Call a runner's `load_model` with a volume as its working directory; StageError where it raises."""
    with working_directory(volume):
        try:
            # Copies: it may change what it is given.
            return runner.load_model(None if props is None else dict(props), dict(artifacts))
        except Exception as error:
            next_step = "It runs in the version's volume; what it opens must be there."
            raise StageError.from_exception(runner.__name__, "load_model", error, next_step) from error


_directory_lock = threading.RLock()
_TURN: ContextVar[Callable[[], AbstractContextManager[None]]] = ContextVar("vessl_nb_turn", default=nullcontext)


def _renew_lock() -> None:
    global _directory_lock  # noqa: PLW0603  # a lock that another thread held at the fork stays held in the child
    _directory_lock = threading.RLock()


os.register_at_fork(after_in_child=_renew_lock)


@contextmanager
def working_directory(folder: Path) -> Iterator[None]:
    """Make a folder the working directory for a while; one thread at a time, since a process has but one."""
    with _TURN.get()(), _directory_lock:
        try:
            before = Path.cwd()
        except FileNotFoundError:  # it was deleted: there is none to go back to
            before = None
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before or "/")


@contextmanager
def entered_in_turn(turn: Callable[[], AbstractContextManager[None]]) -> Iterator[None]:
    """Let the working directory be changed only in turn, for as long as the block lasts and in its thread.

    Parameters
    ----------
    turn
        Makes the context that the working directory is changed in. Other threads have the same one, so what they do is
        to rest meanwhile.
    """
    before = _TURN.set(turn)
    try:
        yield
    finally:
        _TURN.reset(before)


def check_environment(version: Version) -> None:
    """Refuse a version that cannot run here, before any of its code does."""
    manifest = version.manifest
    missing = missing_requirements(requirement.line for requirement in manifest.requirements)
    inferred = {item.line for item in manifest.requirements if item.reason != "declared"}
    # What was inferred says what the version was registered with, not that nothing else would do.
    others = {line: there for line, there in missing.items() if line in inferred and there is not None}
    if others:
        said = ", ".join(f"{line} ({there} is installed)" for line, there in others.items())
        warnings.warn(
            mask_secrets(f"{version.reference} was registered with other packages than are here: {said}."),
            stacklevel=3,
        )
    missing = {line: there for line, there in missing.items() if line not in others}
    if missing:
        said = ", ".join(f"{line} ({there} is installed)" if there else line for line, there in missing.items())
        raise MissingRequirement(
            mask_secrets(f"{version.reference} needs what is not installed here: {said}."),
            mask_secrets(f"pip install {' '.join(map(repr, missing))}"),
            missing=missing,
        )
    if unset := [name for name in manifest.env if name not in os.environ]:
        raise MissingRequirement(
            f"{version.reference} needs environment variables that are not set here: {', '.join(unset)}.",
            "Set them, and load it again.",
            missing=unset,
        )
