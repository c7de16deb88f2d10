"""The signature of a runner: JSON Schema of what a client sends and gets.

It comes from the types that the runner declares, where they say something; else from the samples and their answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vessl_nb.capture.declared_types import declared_types, find_declaration, type_name
from vessl_nb.errors import InvalidArgument
from vessl_nb.manifest import Signature
from vessl_nb.values.schema import schema_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from vessl_nb.runner import Runner


def infer_signature(runner_cls: Runner, examples: Sequence[Mapping[str, Any]]) -> Signature | None:
    """Describe what a runner takes and gives.

    Parameters
    ----------
    runner_cls
        The runner; the types it declares come before what the samples show.
    examples
        The samples with their answers: ``{"input": encoded, "output": encoded}`` each.

    Returns
    -------
    Signature
        None where nothing is declared and there is no sample.

    Raises
    ------
    InvalidArgument
        A sample or an answer does not fit the type that is declared for it.
    """
    schemas = {}
    for side, declared in zip(("input", "output"), declared_types(runner_cls), strict=True):
        values = [example[side] for example in examples]
        declaration = find_declaration(declared, side)
        for number, value in enumerate(values, 1):
            problem = declaration.problem_with(value) if declaration else ""
            if problem:
                raise InvalidArgument(*_contradiction(runner_cls, side, declared, number, len(values), problem))
        if declaration is None or (declaration.is_vague and values):
            schemas[side] = schema_of(values)
        else:
            schemas[side] = declaration.schema
    return Signature(**schemas) if examples or any(schemas.values()) else None


def _contradiction(
    runner_cls: Runner, side: str, declared: Any, number: int, count: int, problem: str
) -> tuple[str, str]:
    which = "The sample" if count == 1 else f"Sample {number}"
    subject = which if side == "input" else f"The answer to {which[0].lower()}{which[1:]}"
    name = type_name(declared)
    what = f"{subject} does not fit {name}, which {runner_cls.__name__} declares as its {side}: {problem}."
    mend = "Give a sample that fits" if side == "input" else "Return what fits from postprocess_data"
    return what, f"{mend}, or change {name}. Nothing was registered."
