"""What a form was filled in with, written: as the magic's line that does the same, and as one would type it."""

from __future__ import annotations

import ast
import json
import shlex
from typing import TYPE_CHECKING

from vessl_nb.notebook.arguments import parse_tags
from vessl_nb.notebook.braces import LONE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from vessl_nb.notebook.form_values import FormValues
    from vessl_nb.registry.names import Tag

_EXPRESSIONS = {"--runner", "--model", "--sample", "--artifacts"}


def magic_line(values: FormValues, usual: FormValues) -> str:
    """Write the line of ``%vessl_register`` that registers what a form was filled in with.

    Parameters
    ----------
    values
        What it was filled in with.
    usual
        The runner, model, samples and settings that the magic would take by itself: they need not be said.
    """
    return f"%vessl_register {' '.join(_words(values, usual))}".rstrip()


def _tag_words(tags: Mapping[str, Tag]) -> list[str]:
    """Write tags as a shell's words."""
    return [shlex.quote(_on_one_line(f"{name}={_tag(value)}")) for name, value in tags.items()]


def write_samples(samples: Sequence[str]) -> str:
    """Write samples as one types them: one a line, or a single one over several lines."""
    return samples[0] if len(samples) == 1 else "\n".join(map(_on_one_line, samples))


def texts_of(values: FormValues) -> dict[str, str]:
    """Write values as one would type them into the fields of a form."""
    return {
        "repository": values.repository,
        "number": "" if values.number is None else str(values.number),
        "model": values.model,
        "samples": write_samples(values.samples),
        "tags": " ".join(_tag_words(values.tags)),
        "aliases": " ".join(values.aliases),
        "description": values.description,
        "requirements": "\n".join(values.requirements),
        "env": " ".join(values.env),
    }


def _words(values: FormValues, usual: FormValues) -> Iterator[str]:
    number = "" if values.number is None else f":{values.number}"
    yield shlex.quote(values.repository + number) if values.repository else "REPOSITORY"
    options = [
        ("--runner", [values.runner] if values.runner != usual.runner else []),
        # Where the magic would take one by itself, it has to be told that there is to be none.
        ("--model", [values.model or "None"] if values.model != usual.model else []),
        ("--sample", values.samples if values.samples != usual.samples else ()),
        ("--tag", [f"{name}={_tag(value)}" for name, value in values.tags.items()]),
        ("--alias", values.aliases),
        ("--requirement", values.requirements),
        ("--artifacts", [repr(dict(values.artifacts))] if values.artifacts else []),
        ("--env", values.env),
        ("--description", [values.description] if values.description else []),
    ]
    for option, texts in options:
        for text in filter(None, texts):
            one_line = _on_one_line(text)
            word = shlex.quote(_expression(one_line) if option in _EXPRESSIONS else _doubled(one_line))
            # argparse takes a word that begins with a dash for an option.
            yield f"{option}={word}" if text.startswith("-") else f"{option} {word}"
    # What the settings say already need not be said.
    yield from [] if values.check == usual.check else ["--check" if values.check else "--no-check"]
    is_kept = values.store_examples
    yield from [] if is_kept == usual.store_examples else ["--examples" if is_kept else "--no-examples"]


def _tag(value: Tag) -> str:
    """Write a tag's value so that it is read again as what it is."""
    if isinstance(value, str) and parse_tags([f"tag={value}"]) == {"tag": value}:
        return value
    return json.dumps(value, ensure_ascii=False)


def _doubled(text: str) -> str:
    """Double the braces of a text, in place of which a variable would be put."""
    return text.replace("{", "{{").replace("}", "}}")


def _expression(text: str) -> str:
    """Write a set of one variable so that it is not that variable in braces."""
    return f"({text})" if LONE.fullmatch(text) else text


def _on_one_line(text: str) -> str:
    """Write an expression, or a text, without line ends: a line magic ends at the first."""
    if len(text.splitlines()) <= 1:
        return text
    try:
        return ast.unparse(ast.parse(text, mode="eval"))
    except (SyntaxError, ValueError):
        return " ".join(text.split())
