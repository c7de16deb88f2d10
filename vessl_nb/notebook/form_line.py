"""What a form was filled in with, written: as the magic's line that does the same, and as one would type it."""

from __future__ import annotations

import ast
import json
import re
import shlex
from typing import TYPE_CHECKING, Any

from vessl_nb.notebook.arguments import expand, parse_tags

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from vessl_nb.notebook.form_values import FormValues
    from vessl_nb.registry.names import Tag


def magic_line(values: FormValues, usual: FormValues) -> str:
    """Write the line of ``%vessl_register`` that registers what a form was filled in with.

    Parameters
    ----------
    values
        What it was filled in with.
    usual
        The runner, model, samples and settings that the magic would take by itself: they need not be said.
    """
    words = list(_words(values, usual))
    line = " ".join(words)
    if not all(map(_stands, words)):
        line = line.replace("{", "{{").replace("}", "}}")
    return f"%vessl_register {line}".rstrip()


def _tag_words(tags: Mapping[str, Tag]) -> list[str]:
    """Write tags as a shell's words."""
    return [_quoted(f"{name}={_tag(value)}") for name, value in tags.items()]


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
            # argparse takes a word that begins with a dash for an option.
            yield f"{option}={_quoted(text)}" if text.startswith("-") else f"{option} {_quoted(text)}"
    # What the settings say already need not be said.
    yield from [] if values.check == usual.check else ["--check" if values.check else "--no-check"]
    is_kept = values.store_examples
    yield from [] if is_kept == usual.store_examples else ["--examples" if is_kept else "--no-examples"]


def _tag(value: Tag) -> str:
    """Write a tag's value so that it is read again as what it is."""
    if isinstance(value, str) and parse_tags([f"tag={value}"]) == {"tag": value}:
        return value
    return json.dumps(value, ensure_ascii=False)


def _quoted(text: str) -> str:
    # Between the dollar and a name the quotes are closed and opened again, so that IPython sees no variable there.
    return re.sub(r"\$(?=[\w.$])", "$''", shlex.quote(_on_one_line(text)))


def _on_one_line(text: str) -> str:
    """Write an expression, or a text, without line ends: a line magic ends at the first."""
    if len(text.splitlines()) <= 1:
        return text
    try:
        return ast.unparse(ast.parse(text, mode="eval"))
    except (SyntaxError, ValueError):
        return " ".join(text.split())


def _stands(word: str) -> bool:
    """Tell whether IPython leaves a word as it is, and does not put a variable in place of ``{name}``.

    A dictionary it does, and that is how samples are mostly written.
    """
    if not any(mark in word for mark in "{}"):
        return True
    try:
        value = ast.literal_eval(shlex.split(word)[-1])
    except (SyntaxError, ValueError, TypeError):
        return False
    # To expand it is to run what stands in braces: never more than a literal, and no text that might hold code.
    return not _has_marks_in_texts(value) and expand(word, {}) == word


def _has_marks_in_texts(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_marks_in_texts, [*value.keys(), *value.values()]))
    if isinstance(value, list | tuple | set):
        return any(map(_has_marks_in_texts, value))
    return isinstance(value, str | bytes) and any(mark in str(value) for mark in "{}")
