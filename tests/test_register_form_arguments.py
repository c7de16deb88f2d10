"""What a register form is called with: refused at once, in the words of `register_model`, where it cannot be meant."""

from __future__ import annotations

import pytest
from usual_cells import RUNNER

import vessl_nb as vessl
from vessl_nb.errors import InvalidArgument


@pytest.mark.parametrize("reference", ["iris:champion", "iris:3@1"])
def test_a_version_that_exists_is_refused_by_the_form_as_by_the_line(notebook, reference):
    what = f"'{reference}' names a version that exists."
    step = "Register a new one in 'iris', or overwrite a number: 'iris:3'."
    for call in (f"vessl.register_form('{reference}')", f"%vessl_register {reference}"):
        notebook.fails(call, InvalidArgument, what, step)
    notebook("%config VesslMagics.live = True")
    notebook.fails(f"%vessl_register {reference} --form", InvalidArgument, what, step)


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ({"artifacts": ["a"]}, "artifacts must be a dictionary of paths to paths, not ['a']."),
        ({"aliases": "champion"}, "aliases must be a list, not 'champion'."),
        ({"aliases": ["3"]}, "'3' cannot be an alias: it would read as a version's number."),
        ({"requirements": "numpy"}, "requirements"),
        ({"tags": ["a"]}, "tags must be a dictionary, not ['a']."),
        ({"env": "KEY"}, "env must be a list of names, not a str."),
        ({"description": 3}, "description must be text, not 3."),
        ({"samples": "[1]"}, "samples must be a list, not '[1]'."),
        ({"samples": [1]}, "A sample must be text, not an object of type int."),
        ({"model": object()}, "model must be text, not an object of type object."),
        ({"runner": vessl.RunnerBase}, "runner must be text, not an object of type ABCMeta."),
    ],
)
def test_an_argument_that_cannot_be_meant_is_an_error_of_two_lines(notebook, arguments, what):
    with pytest.raises(InvalidArgument) as refused:
        vessl.register_form("iris", **arguments)
    assert refused.value.what.startswith(what)
    assert refused.value.next_step


def test_a_marked_class_whose_name_begins_with_an_underscore_is_the_forms_runner_as_it_is_the_magics(notebook):
    notebook("%%vessl_runner" + RUNNER.replace("Iris", "_Mine"))
    assert notebook("form = vessl.register_form('iris')\nform.values.runner") == "_Mine"
    notebook("form.close()")
