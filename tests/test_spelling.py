"""Next steps are written as the user would type them: in Python, on a magic's line, in the shell."""

from __future__ import annotations

import shlex
import threading

import pytest

from vessl_nb.spelling import FORM, choose_by_skin, spell, spoken_in


@pytest.mark.parametrize(
    ("argument", "python", "magic"),
    [
        (("env", ["API_KEY"]), 'env=["API_KEY"]', "--env API_KEY"),
        (("env", ["A", "B"]), 'env=["A", "B"]', "--env A --env B"),
        (("env",), "env=[...]", "--env NAME"),
        (("requirements", ["numpy==2.0"]), 'requirements=["numpy==2.0"]', "--requirement numpy==2.0"),
        (("requirements", ["numpy>=2"]), 'requirements=["numpy>=2"]', "--requirement 'numpy>=2'"),
        (("artifacts", {"a.txt": "a.txt"}), 'artifacts={"a.txt": "a.txt"}', """--artifacts '{"a.txt": "a.txt"}'"""),
        (("check", False), "check=False", "--no-check"),
        (("sample",), "sample=...", "--sample EXPR"),
    ],
)
def test_an_argument_is_written_for_who_reads_it(argument, python, magic):
    assert spell(*argument) == python
    with spoken_in("%vessl_register"):
        assert spell(*argument) == magic
        with spoken_in(""):
            assert spell(*argument) == python
        assert spell(*argument) == magic
    for other in ("%vessl_check", "%vessl_captures", "vessl-nb"):  # which do not take it themselves
        with spoken_in(other):
            assert spell(*argument) == f"%vessl_register {magic}"
    assert spell(*argument) == python


def test_the_form_speaks_of_its_fields():
    with spoken_in(FORM):
        assert spell("env", ["A", "B"]) == "A, B in Environment"
        assert spell("artifacts", {"a.txt": "b.txt"}) == "a.txt as b.txt in Artifacts"
        assert (spell("sample"), spell("requirements", ["numpy>=2"])) == ("Samples", "numpy>=2 in Requirements")
        assert spell("check", value=False) == 'no tick at "Try the samples in a clean process first"'


def test_what_is_written_for_a_line_is_read_back_from_it():
    with spoken_in("%vessl_register"):
        assert shlex.split(spell("artifacts", {"it's": "a b"})) == ["--artifacts", '{"it\'s": "a b"}']


def test_what_is_another_sentence_in_each_skin():
    assert choose_by_skin("p", "m", "s") == "p"
    with spoken_in("%vessl_load"):
        assert choose_by_skin("p", "m", "s") == "m"
    with spoken_in("vessl-nb"):
        assert (choose_by_skin("p", "m", "s"), choose_by_skin("p", "m")) == ("s", "m")


def test_an_error_ends_it_and_another_thread_has_its_own():
    with pytest.raises(KeyError), spoken_in("%vessl_register"):
        raise KeyError
    said = []
    with spoken_in("%vessl_register"):
        thread = threading.Thread(target=lambda: said.append(spell("check", value=False)))
        thread.start()
        thread.join()
    assert [*said, spell("check", value=False)] == ["check=False", "check=False"]
