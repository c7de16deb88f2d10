"""The inventory of a runner: all that it takes along, and what is wrong with it, before anything is registered."""

from __future__ import annotations

import difflib
import linecache
import re
import sys
import types
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vessl_nb.capture.bindings import parse
from vessl_nb.capture.cells import cells, definitions_in, place_of
from vessl_nb.capture.code import imports_of, nested
from vessl_nb.capture.environment import environment_reads_in
from vessl_nb.capture.imports import names_in, walk_imports
from vessl_nb.capture.local_modules import find_local_modules
from vessl_nb.capture.module_places import locate
from vessl_nb.capture.names import find_names
from vessl_nb.capture.pickles import full_name
from vessl_nb.capture.requirements import infer_requirements
from vessl_nb.capture.stale import stale_names
from vessl_nb.errors import UndefinedName
from vessl_nb.manifest import Capture
from vessl_nb.spelling import spell
from vessl_nb.values.secret_signs import known_form, secret_word, words_of
from vessl_nb.values.secrets import mask_secrets, secret_reason

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from vessl_nb.capture.cells import Definitions
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
    needed = {module: reason for module, reason in needed.items() if not _can_do_without(module, reason, names)}
    modules = find_local_modules(needed)
    inferred = infer_requirements(needed | modules.imports, declared, modules.top_level)
    reads = dict(names.variables)
    for path, file in modules.files.items():
        if path.endswith(".py"):
            for variable in environment_reads_in(file.read_text(encoding="utf-8", errors="replace")):
                reads.setdefault(variable, path)
    definitions = definitions_in(tuple(cells()))
    captures = [_capture(name, definitions) for name in names.names]
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
        warnings.warn(mask_secrets(remark), stacklevel=level)


def remarks_on_source(text: str) -> list[str]:
    """Say which lines of a version's ``runner.py`` hold what looks like a secret, wherever in it that is written.

    Parameters
    ----------
    text
        The source, as it is stored with the version.

    Returns
    -------
    list of str
        Sentences, with what to do; none of them says the secret. None where nothing looks like one.
    """
    masked = mask_secrets(text)
    if masked == text:
        return []
    lines, others = text.split("\n"), masked.split("\n")
    changes = difflib.SequenceMatcher(None, lines, others, autojunk=False).get_opcodes()
    remarks = []
    for how, start, end, other_start, other_end in changes:
        if how == "equal":
            continue
        # A private key has many lines, and is masked as one.
        is_one_each = end - start == other_end - other_start
        for first, last in [(line, line + 1) for line in range(start, end)] if is_one_each else [(start, end)]:
            held = "\n".join(lines[first:last])
            named = [name for name in re.findall(r"(\w+)[\"']?\s*(?:[:=]|\])", held) if secret_word(name)]
            which = spell("env", [_variable(named[0])] if named else ...)
            remarks.append(
                f"runner.py, line {first + 1}, holds what looks like {known_form(held) or 'a secret'}, and travels "
                f"with the runner. Read it from an environment variable, and say which: {which}."
            )
    return remarks


def _variable(name: str) -> str:
    """Name an environment variable as people do: ``API_KEY``, for ``apiKey`` and ``api-key`` as well."""
    return re.sub(r"\W+", "_", name).upper() if re.search(r"\d|_", name) else "_".join(words_of(name)).upper()


def _variable_of(capture: Capture) -> str:
    """Name the variable for a secret: by the last name on the way to it, such as ``cfg.api_key`` or ``cfg["key"]``."""
    own = capture.name.rpartition(".")[2]
    way = capture.secret.rpartition(": ")[0].removeprefix(own)
    steps = re.findall(r"\.([^\W\d]\w*)|\[\"([^\W\d][\w -]*)\"\]", way)
    return _variable(max(steps[-1]) if steps else own) or own.upper()


def _can_do_without(module: str, reason: str, names: Names) -> bool:
    """Tell whether a module is not here, and everything that imports it catches that."""
    top = module.partition(".")[0]
    if not reason.startswith("imported by") or locate(top, None) is not None:
        return False
    codes = [made.__code__ for made in names.definitions if isinstance(made, types.FunctionType)]
    return all(_catches_missing(module, code) for code in codes if module in imports_of(code))


def _catches_missing(module: str, code: types.CodeType) -> bool:
    tree = parse("".join(linecache.getlines(code.co_filename)))
    lines = [line for part in nested(code) for _, _, line in part.co_lines() if line]
    caught = [
        is_optional
        for statement, is_optional in (walk_imports(tree) if tree else ())
        if min(lines) <= statement.lineno <= max(lines) and module in {base for base, _ in names_in(statement, "")}
    ]
    return bool(caught) and all(caught)


def _stack() -> Iterator[types.FrameType]:
    frame = sys._getframe(2)  # noqa: SLF001  # what warnings themselves go by
    while frame is not None:
        yield frame
        frame = frame.f_back  # type: ignore[assignment]  # the outermost has none


def _capture(name: Name, definitions: Definitions) -> Capture:
    if isinstance(name.value, types.FunctionType):
        kind = "function"
    else:
        kind = "class" if isinstance(name.value, type) else full_name(type(name.value))
    return Capture(
        name=name.name,
        kind=name.kind,
        type=kind,
        size=name.size,
        place=_place(name, definitions),
        users=name.users,
        secret=secret_reason(name.name.rpartition(".")[2], name.value),
    )


def _place(name: Name, definitions: Definitions) -> str:
    """Say in which cell a name was defined."""
    if name.kind == "global":
        known = definitions.of(name.name)
        if known:
            return place_of(known[-1].cell.filename, known[-1].line).partition(",")[0]
    code = getattr(name.value, "__code__", None) or getattr(name.owner, "__code__", None)
    return place_of(code.co_filename, code.co_firstlineno).partition(",")[0] if code else ""


def _remarks(runner: type, names: Names, captures: list[Capture], modules: LocalModules) -> list[str]:
    uses = {name.name: name.users for name in names.names if name.kind == "global"}
    stale = [found.sentence for found in stale_names(uses, runner.__name__)]
    secrets = [
        f"{capture.name} travels with the runner, and {capture.secret}. Read it from an environment variable, and say "
        f"which: {spell('env', [_variable_of(capture)])}."
        for capture in captures
        if capture.secret
    ]
    changed = [sentence for said in modules.changed.values() for sentence in said]
    elsewhere = [
        f"{user} uses {name}, which only a notebook has: elsewhere that is a NameError."
        for name, user in names.notebook_only.items()
    ]
    return [*elsewhere, *stale, *secrets, *changed, *modules.problems]


def _say_reads(reads: Mapping[str, str], env: Sequence[str]) -> list[str]:
    return [
        f"{user} reads the environment variable {variable}, which is not declared: {spell('env', [variable])}."
        for variable, user in reads.items()
        if variable not in env
    ]


def inventory_of(runner: type, model: Any = None) -> Inventory:
    """List all that a runner takes along, and the classes of a model that were written beside it."""
    return take_inventory(runner, find_names([runner, type(model)]))
