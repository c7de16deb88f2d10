"""Everything vessl_nb raises on purpose.

::

    VesslError
    ├── InvalidArgument          an argument that cannot be meant; nothing was changed
    │   ├── InvalidReference     a reference that cannot be read
    │   ├── InvalidRunner        a class that does not keep the runner's contract
    │   │   └── UndefinedName    its code uses a name that exists nowhere
    │   └── NotEncodable         a sample that has no encoding as data
    ├── NotFound                 a repository, version, alias or file that does not exist
    ├── CannotPickle             a model, or a name its runner takes along, that cannot leave this process
    ├── NotSendable              an answer, or a part of it, that has no form in JSON
    ├── StageError               the user's own code raised in preprocess, predict or postprocess
    ├── CheckFailed              a version did not answer its samples in a clean process as it did here
    ├── RegistryError            the registry's folder cannot be used as it is
    │   ├── FormatTooNew         it was written by a newer vessl_nb
    │   └── Damaged              a file in it is missing or is not what was written
    ├── CannotServe              a server that did not start
    ├── RequestFailed            a server answered a request with a problem
    └── CannotLoad               a version that does not run in this process
        ├── WrongPython          its byte code is another Python's
        ├── MissingRequirement   a package or environment variable it needs is not here
        └── LocalModuleConflict  this process has other code under the name of a module that it brings

An error is two short lines: what happened, with the value; and what to do next. In a notebook just these are shown, and
``%tb`` shows the whole traceback afterwards (`ShownShort`); a program reads the fields.
"""

from __future__ import annotations

import sys
import sysconfig
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class ShownShort:
    """An exception of which a notebook shows some lines in place of a traceback."""

    def shown_lines(self) -> list[str]:
        """Give what a notebook shows of it."""
        return [f"{type(self).__name__}: {self}"]

    @property
    def _render_traceback_(self) -> Callable[[], list[str]]:
        """Give the method that IPython looks for; it is not there for ``%tb``, which then shows the whole traceback."""
        if _is_asked_by_tb():
            raise AttributeError
        return self.shown_lines


def _is_asked_by_tb() -> bool:
    """Tell whether it is ``%tb`` that asks: IPython itself knows but one way to show an exception."""
    frame = sys._getframe(2)  # noqa: SLF001  # there is no other way to learn who asks
    while frame is not None:
        if frame.f_code.co_name == "tb" and frame.f_globals.get("__name__") == "IPython.core.magics.execution":
            return True
        frame = frame.f_back  # type: ignore[assignment]  # the outermost has none
    return False


class VesslError(ShownShort, Exception):
    """Base of every error that vessl_nb raises on purpose.

    Parameters
    ----------
    what
        What happened, with the value it happened to: one line.
    next_step
        What the reader can do about it: one line, or nothing where there is nothing to do.
    """

    def __init__(self, what: str, next_step: str = "") -> None:
        super().__init__(what, next_step)
        self.what = what
        self.next_step = next_step

    def __str__(self) -> str:
        return f"{self.what}\n{self.next_step}" if self.next_step else self.what


class InvalidArgument(VesslError, ValueError):
    """An argument that cannot be meant; nothing was changed."""


class InvalidReference(InvalidArgument):
    """A reference that cannot be read, such as ``iris:`` or ``iris:3@x``."""


class InvalidRunner(InvalidArgument):
    """A class that does not keep the runner's contract."""


class UndefinedName(InvalidRunner):
    """The runner's code, or that of something it uses, names what exists nowhere."""


class NotEncodable(InvalidArgument):
    """A value that has no encoding.

    Attributes
    ----------
    path
        The way to it, such as ``sample["x"][3]``.
    """

    def __init__(self, what: str, next_step: str = "", *, path: str = "") -> None:
        super().__init__(what, next_step)
        self.path = path


class NotFound(VesslError, LookupError):
    """A repository, version, alias or file that does not exist."""


class CannotPickle(VesslError, TypeError):
    """An object that cannot leave this process.

    Attributes
    ----------
    path
        The way to it, such as ``model.encoder.cache``.
    """

    def __init__(self, what: str, next_step: str = "", *, path: str = "") -> None:
        super().__init__(what, next_step)
        self.path = path


class NotSendable(VesslError, TypeError):
    """A value that has no form in JSON.

    Attributes
    ----------
    path
        The way to it, such as ``answer["model"]``.
    """

    def __init__(self, what: str, next_step: str = "", *, path: str = "") -> None:
        super().__init__(what, next_step)
        self.path = path


class StageError(VesslError):
    """The user's own code raised in a stage; the exception it raised is ``__cause__``.

    Attributes
    ----------
    stage
        ``save_model``, ``load_model``, ``preprocess_data``, ``predict`` or ``postprocess_data``.
    problem
        What was raised, such as ``KeyError: 'x'``.
    lines
        The traceback, cut to the user's own frames: one entry each.
    """

    def __init__(
        self, what: str, next_step: str = "", *, stage: str = "", problem: str = "", lines: Iterable[str] = ()
    ) -> None:
        super().__init__(what, next_step)
        self.stage = stage
        self.problem = problem
        self.lines = list(lines)

    @classmethod
    def from_exception(cls, runner_name: str, stage: str, error: BaseException, next_step: str = "") -> StageError:
        """Build the error from what the user's code raised in a stage."""
        first, *more = str(error).strip().splitlines() or [""]
        problem = type(error).__name__ + (f": {first}" if first else "") + (" ..." if more else "")
        what = f"{runner_name}.{stage} raised {problem}"
        return cls(what, next_step, stage=stage, problem=problem, lines=own_lines(error))

    def shown_lines(self) -> list[str]:
        """Give what a notebook shows of it: the user's own lines, and what they raised."""
        return [*self.lines, f"{type(self).__name__}: {self}"]


class CheckFailed(VesslError):
    """A version did not answer its samples in a clean process as it did here.

    Attributes
    ----------
    lines
        The traceback of what was raised there, cut to the user's own frames: one entry each.
    """

    def __init__(self, what: str, next_step: str = "", *, lines: Iterable[str] = ()) -> None:
        super().__init__(what, next_step)
        self.lines = list(lines)

    def shown_lines(self) -> list[str]:
        """Give what a notebook shows of it: the user's own lines, and what they raised."""
        return [*self.lines, f"{type(self).__name__}: {self}"]


class RegistryError(VesslError, OSError):
    """The registry's folder cannot be used as it is."""

    # OSError's own __str__ would show the two arguments as "[Errno ...]".
    __str__ = VesslError.__str__


class FormatTooNew(RegistryError):
    """The registry was written by a newer vessl_nb."""


class Damaged(RegistryError):
    """A file of the registry is missing, or is not what was written.

    Attributes
    ----------
    file
        The file.
    problem
        What is wrong with it, such as ``is missing``.
    """

    def __init__(self, what: str, next_step: str = "", *, file: Path | None = None, problem: str = "") -> None:
        super().__init__(what, next_step)
        self.file = file
        self.problem = problem

    @classmethod
    def at(cls, file: Path, problem: str, next_step: str) -> Damaged:
        """Build the error for a file and what is wrong with it."""
        return cls(f"The registry is damaged: {file} {problem}.", next_step, file=file, problem=problem)


class CannotServe(VesslError):
    """A server that did not start.

    Attributes
    ----------
    kind
        The class of the error in the process that was to serve, such as ``MissingRequirement``.
    """

    def __init__(self, what: str, next_step: str = "", *, kind: str = "") -> None:
        super().__init__(what, next_step)
        self.kind = kind


class RequestFailed(VesslError):
    """A server answered a request with a problem.

    Attributes
    ----------
    status
        The HTTP status; 0 where there was no answer.
    problem
        The problem document (RFC 9457); empty where the answer was none.
    """

    def __init__(
        self, what: str, next_step: str = "", *, status: int = 0, problem: dict[str, object] | None = None
    ) -> None:
        super().__init__(what, next_step)
        self.status = status
        self.problem = problem or {}


class CannotLoad(VesslError):
    """A version that does not run in this process."""


class WrongPython(CannotLoad):
    """A version whose byte code is another Python's."""


class MissingRequirement(CannotLoad):
    """A package or an environment variable that a version needs is not here.

    Attributes
    ----------
    missing
        The requirements, or the names of the variables, as they were registered.
    """

    def __init__(self, what: str, next_step: str = "", *, missing: Iterable[str] = ()) -> None:
        super().__init__(what, next_step)
        self.missing = list(missing)


class LocalModuleConflict(CannotLoad):
    """A version brings a module, and this process has other code under its name already.

    Attributes
    ----------
    module
        The module's name.
    loaded_from
        Where the code that is here came from; empty where it came from no file.
    """

    def __init__(self, what: str, next_step: str = "", *, module: str = "", loaded_from: str = "") -> None:
        super().__init__(what, next_step)
        self.module = module
        self.loaded_from = loaded_from


def nearest(word: str, words: Iterable[str]) -> str:
    """Say which of `words` was probably meant, as ``" Did you mean 'iris'?"``; nothing where none is near."""
    import difflib  # noqa: PLC0415  # a server need not have it

    by_folded = {candidate.casefold(): candidate for candidate in words}
    near = difflib.get_close_matches(word.casefold(), by_folded, n=1)
    return f"Did you mean {by_folded[near[0]]!r}?" if near else ""


def own_lines(error: BaseException) -> list[str]:
    """Cut a traceback to the lines a user wrote: those of no installed package, nor of vessl_nb.

    Where there are none, the innermost line is there, whoever wrote it.

    Returns
    -------
    list of str
        One entry for each frame, outermost first: where it is, and below, indented, the line itself.
    """
    frames = list(traceback.extract_tb(error.__traceback__))
    own = [frame for frame in frames if not frame.filename.startswith(OTHERS)] or frames[-1:]
    entries = []
    for frame in own:
        name = Path(frame.filename).name
        # A cell's file is a name that the kernel made up, another one in each session.
        place = name if Path(frame.filename).exists() else "cell"
        entries.append(f"{place}, line {frame.lineno}, in {frame.name}" + (f"\n    {frame.line}" if frame.line else ""))
    return entries


OTHERS = (
    str(Path(__file__).parent),
    *(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")),
    "<frozen",
)
"""Where code lies that no user wrote: the beginnings of file names."""
