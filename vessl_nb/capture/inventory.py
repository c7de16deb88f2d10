"""The inventory of a runner: all that it takes along, and what is wrong with it, before anything is registered."""

from __future__ import annotations

import sys
import types
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vessl_nb.capture.cells import definitions_of, place_of
from vessl_nb.capture.environment import environment_reads_in
from vessl_nb.capture.local_modules import find_local_modules
from vessl_nb.capture.names import find_names
from vessl_nb.capture.pickles import full_name
from vessl_nb.capture.requirements import infer_requirements
from vessl_nb.capture.stale import stale_names
from vessl_nb.errors import UndefinedName
from vessl_nb.manifest import Capture
from vessl_nb.values.secrets import secret_reason

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from vessl_nb.capture.local_modules import LocalModules
    from vessl_nb.capture.names import Name, Names
    from vessl_nb.errors import CannotPickle, VesslError
    from vessl_nb.manifest import Requirement


@dataclass(frozen=True, slots=True)
class Inventory:
    """What a runner takes along.

    Attributes
    ----------
    names
        What was found by walking its code.
    captures
        The names that travel, as the manifest lists them.
    modules
        The local modules that travel.
    requirements
        The packages it needs, those that were declared first.
    reads
        The environment variables that its code, or that of its local modules, reads, each with who does.
    remarks
        What a person should know: sentences.
    """

    names: Names
    captures: list[Capture]
    modules: LocalModules
    requirements: list[Requirement]
    reads: dict[str, str]
    remarks: list[str]


def undefined_in(names: Names) -> list[UndefinedName]:
    """Build the errors for names that exist nowhere, each with the place where it is used."""
    return [
        UndefinedName(
            f"{missing.user} uses {missing.name!r}, which exists nowhere{missing.place and f', {missing.place}'}.",
            missing.next_step,
        )
        for missing in names.missing
    ]


def unpicklable_in(names: Names) -> list[CannotPickle]:
    """List the errors of names whose values cannot leave this process."""
    return [name.problem for name in names.names if name.problem is not None]


def refuse(problems: Sequence[VesslError]) -> None:
    """Raise the first of some problems, if there are any, with what the others say below it."""
    if problems:
        first, *others = problems
        first.next_step = "\n".join([first.next_step, *(f"Also: {other.what}" for other in others)])
        raise first


def take_inventory(
    runner: type,
    names: Names,
    *,
    declared: Sequence[str] = (),
    env: Sequence[str] = (),
    behind: Collection[str] = (),
) -> Inventory:
    """List all that a runner takes along.

    Parameters
    ----------
    runner
        The runner.
    names
        What `find_names` found of it.
    declared, env
        The requirements and environment variables that the user declared.
    behind
        The modules of the classes that the model is made of.

    Returns
    -------
    Inventory
        Nothing of it is an error; `undefined_in` and `unpicklable_in` list those.
    """
    needed = names.modules | {
        module: "behind the model"
        for module in behind or ()
        if module not in names.modules and module.partition(".")[0] != "cloudpickle"  # which wrote the pickle
    }
    modules = find_local_modules(needed)
    inferred = infer_requirements(needed | modules.imports, declared, modules.top_level)
    reads = dict(names.variables)
    for path, file in modules.files.items():
        if path.endswith(".py"):
            for variable in environment_reads_in(file.read_text(encoding="utf-8", errors="replace")):
                reads.setdefault(variable, path)
    captures = [_capture(name) for name in names.names]
    return Inventory(
        names,
        captures,
        modules,
        inferred.requirements,
        reads,
        [*_remarks(runner, names, captures, modules), *inferred.problems, *_say_reads(reads, env)],
    )


def warn(remarks: Sequence[str]) -> None:
    """Say remarks as warnings: of the cell or script that led here, or else of what called this package."""
    calls = [(level, str(frame.f_globals.get("__name__"))) for level, frame in enumerate(_stack(), 1)]
    outside = [level for level, module in calls if not module.startswith("vessl_nb")]
    level = next((level for level, module in calls if module == "__main__"), outside[0] if outside else 1)
    for remark in remarks:
        warnings.warn(remark, stacklevel=level)


def _stack() -> Iterator[types.FrameType]:
    frame = sys._getframe(2)  # noqa: SLF001  # what warnings themselves go by
    while frame is not None:
        yield frame
        frame = frame.f_back  # type: ignore[assignment]  # the outermost has none


def _capture(name: Name) -> Capture:
    if isinstance(name.value, types.FunctionType):
        kind = "function"
    else:
        kind = "class" if isinstance(name.value, type) else full_name(type(name.value))
    return Capture(
        name=name.name,
        kind=name.kind,
        type=kind,
        size=name.size,
        place=_place(name),
        users=name.users,
        secret=secret_reason(name.name.rpartition(".")[2], name.value),
    )


def _place(name: Name) -> str:
    """Say in which cell a name was defined."""
    if name.kind == "global":
        known = definitions_of(name.name)
        if known:
            return place_of(known[-1].cell.filename, known[-1].line).partition(",")[0]
    code = getattr(name.value, "__code__", None) or getattr(name.owner, "__code__", None)
    return place_of(code.co_filename, code.co_firstlineno).partition(",")[0] if code else ""


def _remarks(runner: type, names: Names, captures: list[Capture], modules: LocalModules) -> list[str]:
    uses = {name.name: name.users for name in names.names if name.kind == "global"}
    stale = [found.sentence for found in stale_names(uses, runner.__name__)]
    secrets = [
        f"{capture.name} travels with the runner, and {capture.secret}. Read it from an environment variable, and say "
        f'which: env=["{capture.name.rpartition(".")[2].upper()}"].'
        for capture in captures
        if capture.secret
    ]
    changed = [
        f"{module} was changed on disk after it was imported: the file travels, and this process runs what it was. "
        "Restart the kernel, or reload it."
        for module in modules.changed
    ]
    return [*stale, *secrets, *changed, *modules.problems]


def _say_reads(reads: Mapping[str, str], env: Sequence[str]) -> list[str]:
    return [
        f'{user} reads the environment variable {variable}, which is not declared: env=["{variable}"].'
        for variable, user in reads.items()
        if variable not in env
    ]


def inventory_of(runner: type, model: Any = None) -> Inventory:
    """List all that a runner takes along, and the classes of a model that were written beside it."""
    return take_inventory(runner, find_names([runner, type(model)]))
