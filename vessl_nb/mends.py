"""What went wrong in a clean process, in words: the cause, and the mend."""

from __future__ import annotations

import importlib.util
import linecache
from pathlib import Path
from typing import TYPE_CHECKING

from vessl_nb.capture.cells import place_of
from vessl_nb.capture.distributions import distribution_of
from vessl_nb.errors import CheckFailed
from vessl_nb.spelling import spell
from vessl_nb.values.secrets import mask_secrets

if TYPE_CHECKING:
    from vessl_nb.capture.pickles import Captured
    from vessl_nb.clean_process import Failure
    from vessl_nb.manifest import Manifest

_NOTHING = "Nothing was registered."


def explain(failure: Failure, manifest: Manifest, captured: Captured | None, *, is_from_source: bool) -> CheckFailed:
    """Build the error for what was raised in a clean process.

    Parameters
    ----------
    failure
        What was raised.
    manifest
        The version.
    captured
        What was pickled in this process, where that is so.
    is_from_source
        It was raised by what was loaded from ``runner.py``.
    """
    where = "loading it" if failure.stage == "load" else f"{manifest.runner}.{failure.stage}"
    how = " from runner.py" if is_from_source else ""
    said = f"{failure.kind}: {failure.message}".removesuffix(": ")
    line = f"runner.py, line {failure.line}" if is_from_source and failure.line else _line_of(failure, captured)
    what = f"In a clean process{how}, {where} raised {said}" + (f" ({line})" if line else "") + "."
    mend = _mend(failure, manifest, is_registering=captured is not None)
    if captured is not None:
        mend = f"{mend} {_NOTHING}"
    return CheckFailed(mask_secrets(what), mend, lines=[] if line else map(mask_secrets, failure.lines))


def _line_of(failure: Failure, captured: Captured | None) -> str:
    """Say which line of which cell raised, where the function is known here."""
    name, number = failure.function, failure.line
    if captured is None or not name:
        return ""
    code = next((f.__code__ for f in captured.functions.values() if f.__code__.co_qualname == name), None)
    if code is None:
        return ""
    place, text = place_of(code.co_filename, number), linecache.getline(code.co_filename, number).strip()
    return ": ".join(filter(None, [place, text]))


def _mend(failure: Failure, manifest: Manifest, *, is_registering: bool) -> str:
    subject = failure.subject
    match failure.kind:
        case "ModuleNotFoundError":
            return _mend_module(subject, manifest)
        case "KeyError" if failure.is_variable:
            return f"The environment variable {subject} is not declared: {spell('env', [subject])}."
        case "FileNotFoundError":
            name = Path(subject).name
            return (
                f"The working directory is the version's own, not the notebook's: take the file along, "
                f"{spell('artifacts', {subject: name})}, and read it in load_model."
            )
        case "NameError" | "UnboundLocalError":
            return f"Nothing defines {subject or 'it'} there: define it in a cell, or inside the method."
    without = f" {spell('check', value=False)} does without the check." if is_registering else ""
    return f"Here it did not fail: something that it needs is not taken along.{without}"


def _mend_module(module: str, manifest: Manifest) -> str:
    top = module.partition(".")[0]
    distribution = distribution_of(module)
    if distribution is not None:
        line = f"{distribution.name}=={distribution.version}"
        declared = ", ".join(requirement.line for requirement in manifest.requirements) or "nothing"
        needed = spell("requirements", [line])
        return f"{distribution.name} is installed here, but the version declares {declared}: {needed}."
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        spec = None
    if spec is not None and spec.origin:
        return (
            f"{Path(spec.origin).name} is here, but was not taken along: write `import {top}` where the runner uses it."
        )
    return f"No package here has {top!r}: install it, and declare it in requirements."
