"""The road out: a version, loaded and run."""

from __future__ import annotations

import marshal
import os
import platform
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vessl_nb.capture.requirements import missing_requirements
from vessl_nb.errors import CannotLoad, MissingRequirement, StageError, WrongPython
from vessl_nb.registry.names import parse_reference
from vessl_nb.registry.registry import open_registry
from vessl_nb.registry.version import Version
from vessl_nb.registry.volume import make_volume
from vessl_nb.runner import overrides
from vessl_nb.stages import Preview, run_stages
from vessl_nb.storage.pickling import BufferUnpickler, restoring
from vessl_nb.storage.restore import Context

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vessl_nb.manifest import Manifest
    from vessl_nb.runner import Runner
    from vessl_nb.storage.blobs import Blobs, Place


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
        self._preprocess = runner.preprocess_data
        self._predict = runner.predict
        self._postprocess = runner.postprocess_data

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
        stage = "preprocess_data"
        try:
            ready = self._preprocess(data)
            stage = "predict"
            answer = self._predict(self.model, ready)
            stage = "postprocess_data"
            return self._postprocess(answer)
        except Exception as error:
            next_step = "preview(data) shows what each stage was given."
            raise StageError.from_exception(self.runner.__name__, stage, error, next_step) from error

    def preview(self, data: Any) -> Preview:
        """Send a sample through the three stages, and keep what each of them returns."""
        return run_stages(self.runner, data, self.model)

    def __repr__(self) -> str:
        return f"<LoadedModel {self.version.reference}: {self.runner.__name__}>"


def load(reference: str, device: str | None = None) -> LoadedModel:
    """Load a version.

    Parameters
    ----------
    reference
        ``iris`` (the newest), ``iris:3``, ``iris:champion``, ``iris:3@1`` (revision 1), ``org/iris:3``.
    device
        Where tensors go, such as ``cpu`` or ``cuda:1``; None leaves each where it was when it was registered, if that
        is here, else it goes to the CPU.

    Returns
    -------
    LoadedModel
        Its ``run(data)`` answers a request.

    Raises
    ------
    InvalidReference, NotFound
        The reference cannot be read, or names nothing.
    WrongPython, MissingRequirement
        The version does not run in this process.
    Damaged
        Something of it is missing, or is not what was written.
    StageError
        The runner's `load_model` raised.
    """
    registry = open_registry()
    state, revision = registry.resolve(parse_reference(reference))
    version = Version.of(registry, state, revision)
    _check_environment(version)
    runner, model = load_manifest(version.manifest, registry.blobs, device)
    return LoadedModel(runner, model, version)


def load_manifest(manifest: Manifest, blobs: Blobs, device: str | None = None) -> tuple[Runner, Any]:
    """Load what a manifest describes, whether it is registered or not.

    Parameters
    ----------
    manifest
        The manifest.
    blobs
        Where its contents are.
    device
        As `load` takes it.

    Returns
    -------
    runner : type
        The runner class.
    model : object
        The model, as `predict` gets it.
    """
    code = _load_code(blobs, manifest.code.place) if manifest.code else {}
    count = len(manifest.pickles.pieces)
    views = blobs.map([*manifest.pickles.pieces, *manifest.pickles.buffers])
    unpickler = BufferUnpickler(views[:count], views[count:])
    loaded: dict[str, Any] = {}
    with restoring(Context(code, device)):
        for name in manifest.pickles.objects:
            try:
                loaded[name] = unpickler.load()
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


def _load_code(blobs: Blobs, place: Place) -> dict[str, Any]:
    try:
        code = marshal.loads(blobs.view(place))  # noqa: S302  # as with pickles
    except (ValueError, TypeError, EOFError) as error:
        raise CannotLoad(f"Cannot load the byte code: {error}", "Load it from another copy of the registry.") from error
    return dict(code)


def call_load_model(runner: Runner, props: dict[str, str] | None, artifacts: dict[str, str], volume: Path) -> Any:
    """Call a runner's `load_model` with a volume as its working directory; StageError where it raises."""
    with working_directory(volume):
        try:
            return runner.load_model(props, artifacts)
        except Exception as error:
            next_step = "It runs in the version's volume; what it opens must be there."
            raise StageError.from_exception(runner.__name__, "load_model", error, next_step) from error


_directory_lock = threading.RLock()


def _renew_lock() -> None:
    global _directory_lock  # noqa: PLW0603  # a lock that another thread held at the fork stays held in the child
    _directory_lock = threading.RLock()


os.register_at_fork(after_in_child=_renew_lock)


@contextmanager
def working_directory(folder: Path) -> Iterator[None]:
    """Make a folder the working directory for a while; one thread at a time, since a process has but one."""
    with _directory_lock:
        try:
            before = Path.cwd()
        except FileNotFoundError:  # it was deleted: there is none to go back to
            before = None
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before or "/")


def _check_environment(version: Version) -> None:
    """Refuse a version that cannot run here, before any of its code does."""
    here = ".".join(platform.python_version_tuple()[:2])
    manifest = version.manifest
    if manifest.code and manifest.code.python != here:
        raise WrongPython(
            f"{version.reference} holds byte code of Python {manifest.code.python}; this is Python {here}.",
            f"Load it with Python {manifest.code.python}, or register it again from here.",
        )
    if missing := missing_requirements(requirement.line for requirement in manifest.requirements):
        said = [f"{line} ({there} is installed)" if there else line for line, there in missing.items()]
        raise MissingRequirement(
            f"{version.reference} needs what is not installed here: {', '.join(said)}.",
            f"pip install {' '.join(map(repr, missing))}",
            missing=missing,
        )
    if unset := [name for name in manifest.env if name not in os.environ]:
        raise MissingRequirement(
            f"{version.reference} needs environment variables that are not set here: {', '.join(unset)}.",
            "Set them, and load it again.",
            missing=unset,
        )
