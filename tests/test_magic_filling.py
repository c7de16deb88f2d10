"""What stands in braces after a magic, on a real shell: filled in word by word, and never registered half filled in."""

from __future__ import annotations

import pytest

from vessl_nb.errors import InvalidArgument
from vessl_nb.notebook.arguments import parse_tags
from vessl_nb.notebook.expressions import ExpressionFailed

IN_A_CELL = "Try the expression in a cell of its own."
NO_FORMAT = "braces take an expression, and no format after it."


class TestFillingIn:
    @pytest.mark.parametrize("value", ["two words", "it's", '"', "a\\b", "--no-check", "{x}", "$x", "{{"])
    def test_a_value_is_one_word_whatever_is_in_it(self, notebook, value):
        notebook.variables["value"] = value
        version = notebook("%vessl_register iris --description {value} -t a={value} -t 'b={value}' --tag c=$value")
        assert version.description == value
        assert version.tags == {"a": value, "b": value, "c": value}

    def test_a_variable_may_hold_several_options(self, notebook):
        notebook("options = '--tag \"a=two words\" --no-check'")
        assert notebook("%vessl_register iris {options}").tags == {"a": "two words"}

    def test_quotes_within_braces_are_the_expressions(self, notebook):
        notebook("scores = {'a b': 1}")
        line = """-t a={scores['a b']} -t "b={scores['a b']}" -t 'c={scores["a b"]}' -t d={ scores["a b"] + 1 }"""
        assert notebook(f"%vessl_register iris {line}").tags == {"a": 1, "b": 1, "c": 1, "d": 2}

    def test_an_expression_is_run_once_whatever_else_is_on_the_line(self, notebook):
        notebook("import itertools; count = itertools.count()")
        version = notebook("%vessl_register iris -t n={next(count)} --sample '{\"x\": [1]}' --no-check")
        assert version.tags == {"n": 0}
        assert notebook("next(count)") == 1

    def test_a_secret_that_is_filled_in_is_in_no_error(self, notebook):
        notebook.variables["token"] = "SEC'RET"
        for line in ("iris {token}", "iris --port {token}", "iris --token {token}'", "iris --tokn {token}"):
            ran = notebook.run(f"%vessl_serve {line}")
            assert isinstance(ran.error, InvalidArgument)
            assert "RET" not in ran.text
        assert "invalid int value: '{token}'" in notebook.run("%vessl_serve iris --port {token}").text

    def test_braces_of_an_expression_are_a_set_and_a_name_alone_is_the_variables_value(self, notebook):
        notebook("class Echo(vessl.RunnerBase):\n    @staticmethod\n    def predict(model, data): return data")
        notebook("z = 5")
        for sample, value in [("'{1, 2}'", {1, 2}), ("{z}", 5), ("$z", 5), ("'{z, 6}'", {5, 6}), ("'[{z}]'", [{5}])]:
            assert notebook(f"%vessl_preview --runner Echo --sample {sample}").output == value

    def test_a_functions_own_variables_count_in_expressions_as_in_braces(self, notebook):
        notebook("class Echo(vessl.RunnerBase):\n    @staticmethod\n    def predict(model, data): return data")
        call = "return get_ipython().run_line_magic('vessl_preview', '--runner Echo --sample %s')"
        for sample in ("local", "{local}", '"[local for _ in range(2)]"'):
            notebook(f"def look(local):\n    {call % sample}")
            assert notebook("look(7)").output in (7, [7, 7])


class TestNotFilledIn:
    @pytest.mark.parametrize(
        ("word", "what", "step"),
        [
            ("acc={clf.score}", "raised AttributeError: 'Scale' object has no attribute 'score'", IN_A_CELL),
            ("acc=$clf.score", "raised AttributeError: 'Scale' object has no attribute 'score'", IN_A_CELL),
            ("'acc={scores[\"b\"]}'", "raised KeyError: 'b'", IN_A_CELL),
            ("acc={1/0}", "raised ZeroDivisionError: division by zero", IN_A_CELL),
            ("'acc={scores[\"a\"]:.2f}'", NO_FORMAT, 'Write it as an expression: {round(scores["a"], 3)}, say.'),
            ("acc={acc:>6}", NO_FORMAT, "Write it as an expression: {round(acc, 3)}, say."),
            ("acc={acc:e}", NO_FORMAT, "Write it as an expression: {round(acc, 3)}, say."),
        ],
    )
    def test_it_is_refused_and_what_it_raised_is_said(self, notebook, snapshot, word, what, step):
        notebook("acc = 0.5; scores = {'a': 1}")
        before = snapshot()
        ran = notebook.run(f"%vessl_register iris --tag {word}")
        assert isinstance(ran.error, InvalidArgument)
        assert what in ran.error.what
        assert ran.error.next_step == step
        assert snapshot() == before

    def test_json_and_lone_braces_in_a_text_are_text(self, notebook):
        texts = ['{"a": {"b": {"c": {"d": 1}}}}', "{}", "a {b", "f} g", "{so it is}", '{"a":1}', "$", "5$", "$5"]
        for text in texts:
            assert notebook(f"%vessl_register iris --no-check --description '{text}'").description == text

    def test_what_a_function_raises_is_shown_with_its_lines_and_is_no_mistyped_name(self, notebook):
        notebook("def early():\n    total += 1")
        notebook("def missing():\n    return clff")
        for call, line, raised in [
            ("early()", "    total += 1", "UnboundLocalError"),
            ("missing()", "    return clff", "NameError"),
        ]:
            for option in (f"--sample {call}", f"--description {{{call}}}"):
                ran = notebook.run(f"%vessl_register iris {option}")
                assert type(ran.error) is ExpressionFailed
                place, own, what, step = ran.text.rstrip().splitlines()
                assert place == f"cell, line 2, in {call[:-2]}"
                assert own == line
                assert f" raised {raised}: " in what
                assert step == IN_A_CELL
                assert type(ran.error.__cause__).__name__ == raised
                assert "run_expression" in notebook.run("%tb").text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.97", 0.97), ("-1", -1), ("1e-3", 0.001), ("2.5E-05", 2.5e-05), ("1e+16", 1e16), ("true", True),
        ("null", None), ('"1"', "1"), ("1.10", "1.10"), ("12e3", "12e3"), ("12e4567", "12e4567"), ("007", "007"),
        ("1e+999", "1e+999"), ("NaN", "NaN"), ("[1]", "[1]"), ("3.11", 3.11),
    ],
)  # fmt: skip
def test_a_tag_is_a_number_only_where_it_is_written_as_python_writes_it(text, value):
    [read] = parse_tags([f"tag={text}"]).values()
    assert (type(read), read) == (type(value), value)
