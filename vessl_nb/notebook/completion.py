"""What Tab offers after a magic: its options, the notebook's variables, repositories and references."""

from __future__ import annotations

import re
import shlex
import types
from typing import TYPE_CHECKING, Any

from IPython.core.completer import SimpleCompletion, context_matcher

from vessl_nb.errors import VesslError
from vessl_nb.notebook.candidates import models_in, own_variables, runners_in
from vessl_nb.notebook.serve_magics import running_servers

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Callable, Iterable

    from IPython.core.completer import CompletionContext, SimpleMatcherResult

    from vessl_nb.notebook.magics import VesslMagics
    from vessl_nb.registry.state import RepositoryState

_MAGIC = re.compile(r"^\s*(?:[^%=]+=\s*)?(?P<cell>%?)%(?P<name>vessl_\w+)\s+(?P<before>.*?)(?P<word>\S*)$")

_EXPRESSIONS = {"artifacts", "model", "name", "runner", "sample"}
"""Arguments in which all of Python may stand, and be completed by IPython."""


def make_matcher(magics: VesslMagics) -> Callable[[CompletionContext], SimpleMatcherResult]:
    """Make the matcher that IPython asks; it answers only after one of these magics."""

    @context_matcher(identifier="vessl_nb")
    def vessl_nb_matcher(context: CompletionContext) -> SimpleMatcherResult:
        match = _MAGIC.match(context.text_until_cursor)
        if match is None or not hasattr(magics, match["name"]):
            return {"completions": []}  # a new one each time: IPython writes into it
        before, word = match["before"], match["word"]
        if word.startswith("--") and "=" in word:
            option, _, word = word.partition("=")
            before += option
        try:
            words = shlex.split(before)
        except ValueError:  # inside a quote
            return {"completions": []}
        parser: ArgumentParser = getattr(magics, match["name"]).parser
        wanted = _wanted(parser, words, word, in_cell=bool(match["cell"]))
        offered = _long_options(parser) if wanted is None else _values(magics, wanted)
        # IPython's own token may begin later, after the colon of a reference; its text alone is replaced.
        kept = max(len(word) - len(context.token), 0)
        completions = [
            SimpleCompletion(text[kept:], type="param") for text in sorted(set(offered)) if text.startswith(word)
        ]
        if not completions and wanted not in _EXPRESSIONS:
            # IPython's files and names are none of what is wanted, and stay away only where something is offered.
            completions = [SimpleCompletion(text=context.token)]
        return {"completions": completions, "suppress": True, "ordered": True}

    matcher: Callable[[CompletionContext], SimpleMatcherResult] = vessl_nb_matcher
    return matcher


def _wanted(parser: ArgumentParser, words: list[str], word: str, *, in_cell: bool) -> str | None:
    """Name the argument that the cursor is at; None where an option may stand there."""
    actions = parser._actions  # noqa: SLF001  # argparse has no public way
    # Those that take a value; a flag takes none.
    options = {option: action for action in actions for option in action.option_strings if action.nargs != 0}
    if words and words[-1] in options:
        return options[words[-1]].dest
    values = [w for i, w in enumerate(words) if not w.startswith("-") and (i == 0 or words[i - 1] not in options)]
    positionals = [action.dest for action in actions if not action.option_strings and not in_cell]
    return None if word.startswith("-") or len(values) >= len(positionals) else positionals[len(values)]


def _long_options(parser: ArgumentParser) -> Iterable[str]:
    actions = parser._actions  # noqa: SLF001  # as above
    return (option for action in actions for option in action.option_strings if option.startswith("--"))


def _values(magics: VesslMagics, what: str) -> Iterable[str]:
    """List what an argument of this name may be."""
    variables = magics.variables
    offers: dict[str, Callable[[], Iterable[str]]] = {
        "runner": lambda: runners_in(variables),
        "name": lambda: runners_in(variables),
        "model": lambda: models_in(variables),
        "sample": lambda: _data_in(variables),
        "artifacts": lambda: _data_in(variables),
        "repository": lambda: _references(with_versions=False),
        "reference": lambda: _references(with_versions=True),
        "server": lambda: [server.reference for server in running_servers()],
        "alias": lambda: [alias for state in _repositories() for alias in state.aliases],
    }
    return offers.get(what, list)()


def _data_in(variables: dict[str, Any]) -> Iterable[str]:
    code = (type, types.ModuleType, types.FunctionType, types.MethodType)
    return [name for name, value in own_variables(variables) if not isinstance(value, code)]


def _references(*, with_versions: bool) -> Iterable[str]:
    for state in _repositories():
        yield state.qualified
        if with_versions:
            yield from (f"{state.qualified}:{alias}" for alias in state.aliases)
            yield from (f"{state.qualified}:{number}" for number, model in state.models.items() if model.revisions)


def _repositories() -> Iterable[RepositoryState]:
    from vessl_nb.registry.registry import open_registry  # noqa: PLC0415  # 25 ms that %load_ext does not take

    try:
        return open_registry().repositories()
    except VesslError:  # Tab is no place for errors
        return ()
