"""Registers runners, each from the cells of an IPython shell of its own.

Standard input has a list of [name, cells, keywords]: each cell is run, and its class ``Runner`` is registered with the
keywords, which are the arguments of a call. What came of it is written as the last line, as JSON.
"""

import json
import sys
import warnings

from IPython.core.interactiveshell import InteractiveShell

import vessl_nb as vessl


def register(number: int, cells: list[str], keywords: str) -> dict[str, object]:
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance(colors="NoColor")
    shell.user_module.__name__ = "__main__"
    sys.modules["__main__"] = shell.user_module
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        for cell in cells:
            result = shell.run_cell(cell, store_history=True)
            if not result.success:
                return {"error": f"{cell}: {result.error_in_exec or result.error_before_exec}"}
        given = {"model_instance": "model", **eval(f"dict({keywords})", shell.user_ns)}
        try:
            version = vessl.register_model(f"r{number}", None, shell.user_ns["Runner"], **given)
        except vessl.VesslError as error:
            return {"error": f"{type(error).__name__}: {error}", "warnings": [str(w.message) for w in warned]}
    check = version._revision.registered.check
    return {
        "reference": version.reference,
        "passed": check and check.passed,
        "remarks": check and check.remarks,
        "requirements": [[item.line, item.reason] for item in version.manifest.requirements],
        "answer": version.examples[0]["output"] if version.examples else None,
        "warnings": [str(warning.message) for warning in warned],
    }


said = {name: register(number, cells, keywords) for number, (name, cells, keywords) in enumerate(json.load(sys.stdin))}
print(json.dumps(said))  # noqa: T201  # whoever runs it reads it
