"""``runner.py``: what travels by value as one module, to be read, reviewed and run.

It has the imports, constants, helpers and classes that the runner and its model need, each as the cell had it, those
that others need first. A value that has no source, such as a fitted scaler, is asked of the version by its name. What
could not be written down is said at the top. Each function in the pickles is found in it again, by its byte code: so
another Python can compile it anew.
"""

from __future__ import annotations

import re
import sys
import types
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vessl_nb.capture.choice import Choice
from vessl_nb.capture.code import by_name, codes_of_module, is_by_attrs, portable_name, same_code
from vessl_nb.capture.module_places import is_local
from vessl_nb.manifest import Written

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from vessl_nb.capture.names import Names
    from vessl_nb.capture.one_statement import Statement
    from vessl_nb.capture.pickles import Captured


@dataclass(frozen=True, slots=True)
class Source:
    """A runner as a module.

    Attributes
    ----------
    text
        The module; empty where nothing travels by value.
    written
        Where each function's code is, by its key in the pickles; those that are nowhere are missing.
    unwritten
        What could not be written down, in sentences.
    """

    text: str
    written: dict[str, Written]
    unwritten: list[str]


def write_source(runner: type, captured: Captured, names: Names, local: Collection[str] = ()) -> Source:
    """Write a runner, and what it takes along, as one module.

    Parameters
    ----------
    runner
        The runner.
    captured
        The runner and the model, pickled.
    names
        What was found of the names they use.
    local
        The top-level names of the local modules that travel with the version.

    Returns
    -------
    Source
        The module, and what is not in it.
    """
    if not captured.written and not captured.code:
        return Source("", {}, [])
    elsewhere = _files_of_modules({function.__code__.co_filename for function in captured.functions.values()}, local)
    choice = Choice(captured, names, elsewhere)
    choice.choose_for(runner)
    layout = _Layout(runner, captured, choice, elsewhere, local)
    written = layout.find_again(layout.text())
    return Source(layout.text(), written, choice.notes)  # with what was not found in it


class _Layout:
    """The module as it stands on the page."""

    def __init__(
        self,
        runner: type,
        captured: Captured,
        choice: Choice,
        elsewhere: dict[str, str],
        local: Collection[str],
    ) -> None:
        self._runner = runner
        self._captured = captured
        self._choice = choice
        self._elsewhere = elsewhere
        self._local = local
        self._statements = _in_order(choice.statements())

    def text(self) -> str:
        """Put the module together."""
        choice = self._choice
        written = [*(statement.text for statement in self._statements), choice.made]
        statements = "\n\n\n".join(filter(None, written))
        late = choice.late_constants()
        constants = [line for name, line in choice.constants.items() if name not in late]
        imports = [*choice.imports.values(), *self._submodules(statements)]
        own = [line for line in imports if line.split()[1].partition(".")[0] in self._local]
        modules = sorted({line.split()[1].partition(".")[0] for line in own})
        brought = [f'vessl_nb.captured("{name}")  # a module of the version\'s own' for name in modules]
        if brought or any("vessl_nb.captured(" in line for line in choice.constants.values()):
            imports.append("import vessl_nb")
        others = [line for line in imports if line not in own]
        notes = "\n".join(f"# Not in here: {sentence}" for sentence in choice.notes)
        parts = [
            f'"""{self._runner.__qualname__}, as it was registered."""',
            notes,
            "from __future__ import annotations" if self._has_future_annotations() else "",
            "\n".join(_sorted_imports(others)),
            "\n".join([*brought, *_sorted_imports(own)]),
            "\n".join(constants),
        ]
        return "\n\n".join(filter(None, parts)) + (f"\n\n\n{statements}\n" if statements else "\n")

    def _has_future_annotations(self) -> bool:
        codes = (function.__code__ for function in self._captured.functions.values())
        own = [code for code in codes if not is_by_attrs(code) and code.co_filename not in self._elsewhere]
        return any(code.co_flags & 0x1000000 for code in own)  # CO_FUTURE_ANNOTATIONS

    def _submodules(self, text: str) -> Iterator[str]:
        """Import the submodules that the text reaches through their package, such as ``os.path``."""
        for name, value in self._choice.bound.items():
            if isinstance(value, types.ModuleType) and self._choice.imports.get(name) == f"import {name}":
                for found in sorted(set(re.findall(rf"\b{re.escape(name)}((?:\.\w+)+)", text))):
                    parts = found.split(".")[1:]
                    inner = [f"{name}.{'.'.join(parts[:n])}" for n in range(1, len(parts) + 1)]
                    yield from (f"import {module}" for module in inner if module in sys.modules)

    def find_again(self, text: str) -> dict[str, Written]:
        """Say where each function's code is; note those that are nowhere."""
        own = by_name(text)
        found: dict[str, Written] = {}
        by_attrs: dict[str, None] = {}
        for key, function in self._captured.functions.items():
            code = function.__code__
            if is_by_attrs(code):
                by_attrs[function.__qualname__.rpartition(".")[0] or function.__qualname__] = None
                continue
            name = portable_name(code.co_qualname)
            module = self._elsewhere.get(code.co_filename, "")
            among = codes_of_module(module) if module else own
            place = next((place for place, other in enumerate(among.get(name, ())) if same_code(code, other)), None)
            if place is None:
                self._choice.note(f"The source of {code.co_qualname} was not found.")
            else:
                found[key] = Written(name=name, place=place, module=module)
        if by_attrs:
            self._choice.note(f"Methods of {', '.join(by_attrs)} are made by attrs: it cannot be loaded from source.")
        return found


def _in_order(waiting: list[Statement]) -> list[Statement]:
    """Order the statements as they were written, those that others need at once before them."""
    ordered: dict[Statement, None] = {}
    begun: set[Statement] = set()

    def providers(names: Collection[str], place: tuple[int, int], user: Statement) -> Iterator[Statement]:
        """Walk what binds these names at a place: the newest before it, else the newest that there is."""
        for name in names:
            binding = [statement for statement in waiting if name in statement.provides and statement is not user]
            before = [statement for statement in binding if statement.place < place]
            yield from (before or binding)[-1:]

    def put(statement: Statement, called_at: tuple[int, int] | None) -> None:
        if statement in begun:
            return
        begun.add(statement)
        for needed in providers(statement.needs_at_once, statement.place, statement):
            put(needed, statement.place)
        ordered[statement] = None
        if called_at is not None:  # it may be run before the module is complete
            for needed in providers(list(statement.needs), called_at, statement):
                put(needed, called_at)

    for statement in waiting:
        put(statement, None)
    return list(ordered)


def _sorted_imports(lines: Collection[str]) -> list[str]:
    return sorted(set(lines), key=lambda line: (not line.startswith("import"), line))


def _files_of_modules(wanted: Collection[str], local: Collection[str]) -> dict[str, str]:
    """Say of the source files of functions, where another machine has their module, which module that is."""
    main = sys.modules["__main__"]  # which multiprocessing puts there once more, under another name
    files: dict[str, str] = {}
    # A cell's file is only a name, as a rule: then a thousand modules need not be looked at.
    wanted = {file for file in wanted if file != getattr(main, "__file__", None) and Path(file).exists()}
    for name, module in list(sys.modules.items()) if wanted else ():
        file = None if module is main else getattr(module, "__file__", None)
        if isinstance(file, str) and file in wanted:
            top = name.partition(".")[0]
            if top in local or not is_local(Path(file), name.replace(".", "/")):
                files[file] = name
    return files
