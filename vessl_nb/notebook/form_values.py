"""What a register form was filled in with, and how its texts are read: by the functions that register_model uses."""

from __future__ import annotations

import ast
import re
import shlex
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from vessl_nb.errors import InvalidArgument
from vessl_nb.faces.words import tag_list
from vessl_nb.notebook.arguments import parse_tags
from vessl_nb.notebook.expressions import evaluate
from vessl_nb.registry.names import Tag, check_alias, check_name, check_number, check_tags, default_organization
from vessl_nb.registry.registry import open_registry
from vessl_nb.staging import Target
from vessl_nb.values.secrets import mask_named, mask_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_STEP = "Write it as iris, or as organization/iris; the number has a field of its own."


@dataclass(frozen=True, slots=True)
class FormValues:
    """What a form was filled in with; a field that holds a mistake counts as empty.

    Attributes
    ----------
    repository
        The model repository, with its organization where it was named.
    number
        The model to overwrite; None for a new one.
    runner
        The runner's name.
    model, samples
        Expressions, as they were typed.
    artifacts, requirements, env, tags, aliases, description, check, store_examples
        As `register_model` takes them.
    """

    repository: str = ""
    number: int | None = None
    runner: str = ""
    model: str = ""
    samples: tuple[str, ...] = ()
    artifacts: Mapping[str, str] = field(default_factory=dict)
    requirements: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    tags: Mapping[str, Tag] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    description: str = ""
    check: bool = True
    store_examples: bool = True


def masked(values: FormValues) -> FormValues:
    """Mask what looks like a secret, for what is saved with a notebook."""
    return replace(
        values,
        model=mask_secrets(values.model),
        samples=tuple(map(mask_secrets, values.samples)),
        artifacts={mask_secrets(source): mask_secrets(target) for source, target in values.artifacts.items()},
        requirements=tuple(map(mask_secrets, values.requirements)),
        tags=mask_named(values.tags),
        description=mask_secrets(values.description),
    )


def written(values: FormValues) -> list[tuple[str, str]]:
    """Write what was filled in, by the titles of the fields."""
    return [
        ("Repository", values.repository),
        ("Number", "" if values.number is None else str(values.number)),
        ("Runner", values.runner),
        ("Model", values.model),
        ("Samples", "\n".join(values.samples)),
        ("Tags", "\n".join(tag_list(values.tags))),
        ("Aliases", ", ".join(values.aliases)),
        ("Description", values.description),
        ("Artifacts", "\n".join(f"{source} as {target}" for source, target in values.artifacts.items())),
        ("Requirements", "\n".join(values.requirements)),
        ("Environment", ", ".join(values.env)),
    ]


def read_target(repository: str, number: int | None = None) -> Target:
    """Read where a version goes, and hold it against what is there.

    Raises
    ------
    InvalidArgument
        A name breaks the rule, or differs from an existing one only by case.
    NotFound
        The repository has no model of this number.
    """
    if not repository:
        raise InvalidArgument("The repository has no name yet.", "Call it iris, say; it is made if it is not there.")
    if ":" in repository:
        raise InvalidArgument(f"{repository!r} names a version.", _STEP)
    organization, slash, name = repository.rpartition("/")
    organization = check_name("organization", organization) if slash else default_organization()
    target = Target(open_registry(), organization, check_name("model repository", name), number)
    target.find()
    return target


def read_number(text: str) -> int | None:
    """Read the number of a model to overwrite; None where nothing was typed.

    Raises
    ------
    InvalidArgument
        It is no number.
    """
    return None if not text else check_number(int(text) if re.fullmatch("[0-9]{1,18}", text) else text)


def read_words(text: str) -> list[str]:
    """Split what was typed at spaces and commas."""
    return re.findall(r"[^\s,]+", text)


def read_lines(text: str) -> list[str]:
    """Split what was typed into lines, empty ones left out."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def read_tags(text: str) -> dict[str, Tag]:
    """Read tags as they stand on a magic's line: ``accuracy=0.97 note='two words'``.

    Raises
    ------
    InvalidArgument
        A quote is not closed, there is no ``=``, or it is no tag.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise InvalidArgument(f"{error} in: {text}", "Close the quote.") from None
    return check_tags(parse_tags(words))


def read_aliases(text: str) -> list[str]:
    """Read aliases, each once.

    Raises
    ------
    InvalidArgument
        One breaks the rule.
    """
    return list(dict.fromkeys(map(check_alias, read_words(text))))


def read_expressions(text: str) -> list[str]:
    """Take expressions apart: one a line, or a single one over several lines."""
    return [text.strip()] if _parse(text) else read_lines(text)


def peek(expression: str, what: str, variables: dict[str, Any]) -> Any:
    """Hold an expression against the notebook's variables without running anything, as it is being typed.

    Returns
    -------
    object
        The value of a name; None where that could be told only by running the expression.

    Raises
    ------
    InvalidArgument
        It is no expression, or names a variable that does not exist.
    """
    tree = _parse(expression)
    for name in _bare_names(tree) if tree else ():
        evaluate(name, what, variables)  # for its words: there may be no such variable
    # What is not even an expression does not run: it is refused, in words.
    return evaluate(expression, what, variables) if tree is None or isinstance(tree.body, ast.Name) else None


def _parse(expression: str) -> ast.Expression | None:
    try:
        return ast.parse(expression.strip(), mode="eval")
    except (SyntaxError, ValueError):
        return None


def _bare_names(tree: ast.Expression) -> Iterator[str]:
    """Name the variables that it reads, but for those that it may define itself, as a comprehension does."""
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Name | ast.arg)]
    own = {node.arg if isinstance(node, ast.arg) else node.id for node in nodes if _is_own(node)}
    return (node.id for node in nodes if isinstance(node, ast.Name) and node.id not in own)


def _is_own(node: ast.Name | ast.arg) -> bool:
    return isinstance(node, ast.arg) or isinstance(node.ctx, ast.Store)
