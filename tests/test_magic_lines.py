"""What is typed after a magic, on a real shell: expanded, taken apart, completed by what the notebook has."""

from __future__ import annotations

import pytest
from usual_cells import RUNNER

import vessl_nb as vessl
from vessl_nb.belongings import Captures, RunnerPreview
from vessl_nb.checking import CheckReport
from vessl_nb.errors import InvalidArgument
from vessl_nb.loading import LoadedModel
from vessl_nb.notebook.expressions import ExpressionFailed
from vessl_nb.registry.listing import VersionsTable
from vessl_nb.registry.version import Version

REGISTER_OPTIONS = [
    "--runner", "--model", "--sample", "--tag", "--alias", "--description", "--requirement", "--artifacts", "--env",
    "--check", "--no-check", "--examples", "--no-examples", "--form",
]  # fmt: skip


class TestLine:
    def test_every_magic_gives_back_its_object(self, notebook):
        notebook("a = %vessl_runner Iris")
        notebook("b = %vessl_preview --sample 'dict(x=[1])'")
        notebook("c = %vessl_register iris")
        notebook("d = %vessl_versions iris")
        notebook("e = %vessl_load iris")
        notebook("f = %vessl_alias iris:1 champion")
        notebook("g = %vessl_captures")
        notebook("h = %vessl_check iris")
        kinds = [type(notebook.variables[name]) for name in "bcdefgh"]
        assert kinds == [RunnerPreview, Version, VersionsTable, LoadedModel, Version, Captures, CheckReport]
        assert notebook.variables["a"] is notebook.variables["Iris"]

    @pytest.mark.parametrize(
        "line",
        [
            "%vessl_runner Iris;",
            "%vessl_preview --sample 'dict(x=[1])' ;",
            "%vessl_register iris;",
            "%vessl_register iris --description (draft;",
            "%vessl_versions ;",
            "%%vessl_runner --sample 'dict(x=[1])';" + RUNNER,
            "%%vessl_runner --sample 'dict(x=[1])'" + RUNNER + "None;",
        ],
    )
    def test_a_semicolon_silences(self, notebook, line):
        ran = notebook.run(line)
        assert (ran.error, ran.value, ran.text, ran.shown) == (None, None, "", [])

    def test_a_line_that_is_no_python_is_registered_once_and_well(self, notebook):
        version = notebook("%vessl_register iris --description (draft --tag id=007 --tag note=it\\'s")
        assert (version.description, version.tags) == ("(draft", {"id": "007", "note": "it's"})

    @pytest.mark.parametrize(
        "sample",
        ["""'{"x": [1, 2]}'""", '"{\'x\': [1, 2]}"', "{'x':[1,2]}", "sample", "'sample'", "dict(x=numbers)", "' sample'",
         "make()", """'{"x":[1,2]}'""", "=sample", "samples[0]", "{name}", "$name"],
    )  # fmt: skip
    def test_samples_are_names_or_expressions_with_or_without_quotes(self, notebook, sample):
        notebook(
            "numbers = [1, 2]; sample = {'x': numbers}; samples = [sample]; name = 'sample'\ndef make(): return sample"
        )
        option = "--sample" + ("" if sample.startswith("=") else " ") + sample
        if sample == "{'x':[1,2]}":  # a POSIX shell takes these quotes away, and so do we
            notebook("x = 'x'")
        assert notebook(f"%vessl_preview {option}").sample == {"x": [1, 2]}

    def test_negative_numbers_and_falsy_values_are_samples(self, notebook):
        notebook("class Echo(vessl.RunnerBase):\n    @staticmethod\n    def predict(model, data): return data")
        for sample in ("-1", "0", "None", "''", "'\"\"'", "[]", "{}"):
            ran = notebook.run(f"%vessl_preview --runner Echo --sample {sample}")
            if sample == "''":
                assert isinstance(ran.error, InvalidArgument)  # an empty expression
            else:
                assert ran.value.output == eval(sample.strip("'") or "''")

    def test_names_and_braces_expand(self, notebook):
        notebook("name = 'iris'; score = 0.5; tags = '--tag a=1 --tag b=2'\nclass box: pass\nbox.text = 'in a box'")
        version = notebook("%vessl_register {name} --tag score={score / 2} --tag text='{box.text}' {tags}")
        assert (version.reference, version.tags) == ("iris:1", {"score": 0.25, "text": "in a box", "a": 1, "b": 2})
        assert notebook("%vessl_load $name").version == version
        assert notebook("%vessl_alias $name:1 best").aliases == ("best",)

    def test_braces_expand_beside_a_dictionary(self, notebook):
        notebook("name = 'iris'; score = 0.5")
        line = """%vessl_register $name --sample '{"x": [1, 2]}' --tag score={score} --tag as-it-is='$score'"""
        version = notebook(line)
        assert version.tags == {"score": 0.5, "as-it-is": "$score"}
        assert version.examples[0]["input"] == {"x": [1, 2]}

    def test_braces_expand_a_functions_own_variables(self, notebook):
        notebook(
            "def register(which):\n    return get_ipython().run_line_magic('vessl_register', '{which} --tag a={which}')"
        )
        assert notebook("register('local')").tags == {"a": "local"}

    @pytest.mark.parametrize(
        ("line", "what", "step"),
        [
            ("{nmae}", "{nmae}: there is no variable 'nmae'.", "Did you mean 'name'?"),
            ("$nmae:3", "$nmae:3: there is no variable 'nmae'.", "Did you mean 'name'?"),
            ("iris --tag accuracy={acuracy}", "accuracy={acuracy}: there is no variable 'acuracy'.", "Did you mean 'accuracy'?"),
            (
                "iris --tag=accuracy={accuracy:.2f}",
                "--tag=accuracy={accuracy:.2f}: braces take an expression, and no format after it.",
                "Write it as an expression: {round(accuracy, 3)}, say.",
            ),
            (
                "iris -d '{zzzzzz} of it'",
                "{zzzzzz} of it: there is no variable 'zzzzzz'.",
                "Define it in a cell first; to say it as it is, write {{zzzzzz}} or '$zzzzzz'.",
            ),
        ],
    )  # fmt: skip
    def test_braces_that_are_not_filled_in_are_never_registered_as_text(self, notebook, snapshot, line, what, step):
        notebook("name = 'iris'; accuracy = 0.5; sample = {'x': [1]}")
        before = snapshot()
        notebook.fails(f"%vessl_register {line}", InvalidArgument, what, step)
        # Beside a dictionary IPython itself expands nothing.
        notebook.fails(f"%vessl_register {line} --sample '{{\"x\": [1]}}'", InvalidArgument, what, step)
        assert snapshot() == before

    def test_what_stands_in_the_braces_of_an_expression_is_pythons_matter(self, notebook):
        notebook("numbers = [1, 2]")
        version = notebook("%vessl_register iris --sample '{k: [n for n in numbers] for k in \"x\"}' --no-check")
        assert version.examples[0]["input"] == {"x": [1, 2]}

    def test_doubled_braces_and_quoted_dollars_stand_for_themselves(self, notebook):
        version = notebook("""%vessl_register iris --tag a={{zzz}} --tag 'b=$zzz' --sample '{"x": [1]}' --no-check""")
        assert version.tags == {"a": "{zzz}", "b": "$zzz"}

    def test_a_loop_registers_each(self, notebook):
        notebook("for factor in (1, 2):\n    clf = Scale(factor)\n    %vessl_register iris --tag factor={factor}")
        assert list(vessl.versions("iris")["tags.factor"]) == [2, 1]

    @pytest.mark.parametrize(
        ("line", "what", "step"),
        [
            ("--smaple 1", "%vessl_register has no option '--smaple'.", "Did you mean '--sample'?"),
            ("--desciption=x", "%vessl_register has no option '--desciption'.", "Did you mean '--description'?"),
            (
                "--qqqqqqqq",
                "%vessl_register has no option '--qqqqqqqq'.",
                f"It has: {', '.join(REGISTER_OPTIONS)}.",
            ),
            (
                """--sample {"x": [1, 2]}""",
                "%vessl_register does not take '[1, 2]}'.",
                "Put the whole of it in single quotes: --sample '{\"x\": [1, 2]}'",
            ),
            ("""--sample '{"x": [1]}""", """No closing quotation in: iris --sample '{"x": [1]}""", "Close the quote."),
            ("--tag a=b\\", "No escaped character in: iris --tag a=b\\", "Take the backslash at its end away."),
            (
                "--tag",
                "%vessl_register: argument --tag/-t: expected one argument",
                "%vessl_register? shows what it takes.",
            ),
            (
                "--sample 'a b'",
                "--sample a b is no Python expression: invalid syntax.",
                "Put the whole of it in single quotes: --sample '{\"x\": [1, 2]}'",
            ),
            (
                "--sample {'x':[1]}",
                "--sample {x:[1]}: there is no variable 'x'.",
                "Put the whole of it in single quotes: --sample '{\"x\": [1, 2]}'",
            ),
            ("more", "%vessl_register does not take 'more'.", "%vessl_register? shows what it takes."),
            ("--model cfl", "--model cfl: there is no variable 'cfl'.", "Did you mean 'clf'?"),
            ("--model zzz", "--model zzz: there is no variable 'zzz'.", "Define it in a cell first."),
            ("--tag x", "--tag x has no value.", "Write it as --tag x=VALUE."),
        ],
    )
    def test_a_wrong_line_says_what_happened_and_what_to_do_next(self, notebook, snapshot, line, what, step):
        before = snapshot()
        notebook.fails(f"%vessl_register iris {line}", InvalidArgument, what, step)
        assert snapshot() == before

    def test_an_expression_that_raises_says_what_in_its_first_line(self, notebook, snapshot):
        notebook("def several_lines(): raise ValueError('one\\ntwo')")
        before = snapshot()
        step = "Try the expression in a cell of its own."
        what = "--sample 1/0 raised ZeroDivisionError: division by zero"
        notebook.fails("%vessl_register iris --sample 1/0", ExpressionFailed, what, step)
        ran = notebook.run("%vessl_register iris --sample several_lines()")
        assert (ran.error.what, ran.error.next_step) == ("--sample several_lines() raised ValueError: one", step)
        assert snapshot() == before

    def test_a_magic_without_options(self, notebook):
        what = "%vessl_versions has no option '--frob'."
        notebook.fails("%vessl_versions --frob", InvalidArgument, what, "It has: none.")

    def test_what_is_missing_is_said(self, notebook):
        for magic, missing in [("register", "repository"), ("load", "reference"), ("alias", "reference, alias")]:
            notebook.fails(
                f"%vessl_{magic}",
                InvalidArgument,
                f"%vessl_{magic}: the following arguments are required: {missing}",
                f"%vessl_{magic}? shows what it takes.",
            )

    def test_a_failing_magic_stops_its_cell(self, notebook):
        notebook.run("%vessl_load nothing\nafter = 1")
        assert "after" not in notebook.variables


class TestCandidates:
    def test_what_ipython_keeps_is_no_candidate(self, notebook):
        notebook("Scale(3)")
        notebook("Iris")
        notebook("_mine = Scale(4)")
        assert notebook("%vessl_register iris").runner == "Iris"
        assert vessl.load("iris").run({"x": [1]}) == [2]

    def test_what_came_from_the_registry_is_no_candidate(self, notebook):
        notebook("v = %vessl_register iris")
        notebook("loaded = %vessl_load iris")
        notebook("table = %vessl_versions")
        assert notebook("%vessl_register iris").number == 2

    def test_two_names_for_one_model_count_once(self, notebook):
        notebook("best = clf")
        assert notebook("%vessl_register iris").number == 1

    def test_classes_modules_and_a_runners_instance_are_no_models(self, notebook):
        notebook(
            "import types; predicting = types.ModuleType('predicting'); predicting.predict = print; runner = Iris()"
        )
        assert notebook("%vessl_register iris").number == 1

    def test_torch_modules_are_models_and_losses_are_none(self, notebook):
        pytest.importorskip("torch")
        notebook("import torch; loss = torch.nn.CrossEntropyLoss()")
        assert notebook("%vessl_register iris").number == 1
        notebook("net = torch.nn.Linear(2, 2)")
        assert notebook.run("%vessl_register iris").error.what.endswith("model: clf, net.")

    def test_no_model(self, notebook):
        notebook("del clf")
        step = "Train one first, or say which variable it is: --model NAME. For a runner that needs none: --model {}"
        notebook.fails("%vessl_register iris", InvalidArgument, "This notebook has no model.", step)
