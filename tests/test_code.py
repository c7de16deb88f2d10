"""Whether two code objects are the same, and the statement that each was written in."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path
from textwrap import dedent

import pytest

from vessl_nb.capture import statement_nodes
from vessl_nb.capture.bindings import names_bound_by, source_of
from vessl_nb.capture.code import by_name, global_names, same_code
from vessl_nb.capture.functions import functions_behind


def code_of(source):
    return by_name(dedent(source))["f"][0]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "try:\n  a()\n  b()\n except E: c()",
            "a()\n try:\n  b()\n except E: c()",
        ),  # the same but for where it catches
        ("with a:\n  b()\n  c()", "with a:\n  b()\n c()"),
        ("return 1", "return 1.0"),
        ("return a.b", "return a.c"),
        ("if a: b()\n c()", "if a:\n  b()\n  c()"),
    ],
)
def test_code_that_does_something_else_is_not_the_same(one, other):
    assert same_code(code_of(f"def f(a):\n {one}"), code_of(f"def f(a):\n {one}"))
    assert not same_code(code_of(f"def f(a):\n {one}"), code_of(f"def f(a):\n {other}"))


def test_code_is_the_same_wherever_it_stands():
    function = "def f(x):\n    class Inner:\n        y = 2\n    try:\n        return json.dumps(x)\n    except E:\n        return Inner"
    elsewhere = f"from __future__ import annotations\nimport json\n\n\n\n{function}\n"
    assert same_code(code_of(f"\n\n{function}"), code_of(elsewhere))


@pytest.mark.parametrize("module", ["argparse", "subprocess", "pdb", "doctest", "tempfile", "functools", "zipfile"])
def test_a_statement_cut_out_of_its_module_compiles_to_the_code_that_is_in_it(module):
    text = Path(importlib.util.find_spec(module).origin).read_text()
    whole = by_name(text)
    statements = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]
    assert statements
    for node in statements:
        for name, codes in by_name(source_of(node, text.split("\n"))).items():
            assert all(any(same_code(code, other) for other in whole[name]) for code in codes), name


@pytest.mark.parametrize(
    ("text", "sources"),
    [
        ("x = 1  # the rate\ny = 2", ["x = 1  # the rate", "y = 2"]),
        ("x = 1; y = 'é'; z = 3  # last", ["x = 1", "y = 'é'", "z = 3  # last"]),
        ("x = '\x0c\u2028'\ny = 2", ["x = '\x0c\u2028'", "y = 2"]),
        ("if a:\n    @b\n    def f():\n        pass  # c\n", ["if a:\n    @b\n    def f():\n        pass  # c", "@b\ndef f():\n    pass  # c"]),
        ("if a: x = 1", ["if a: x = 1", "x = 1"]),
    ],
)  # fmt: skip
def test_a_statement_is_cut_out_with_its_comments_and_without_its_neighbours(text, sources):
    statements = [
        node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.stmt) and not isinstance(node, ast.Pass)
    ]
    assert [source_of(node, text.split("\n")) for node in statements] == sources


@pytest.mark.parametrize(
    ("statement", "names"),
    [
        ("x.y = 1", set()),
        ("x[0] = 1", set()),
        ("x: int", set()),
        ("x = y = (z := 1)", {"x", "y", "z"}),
        ("try:\n    import a.b\nexcept E:\n    a = None", {"a"}),
    ],
)
def test_what_a_statement_only_changes_it_does_not_bind(statement, names):
    assert names_bound_by(ast.parse(statement).body[0]) == names


def test_the_functions_behind_a_value_are_found_under_whatever_wraps_them():
    names: dict = {}
    exec(
        dedent("""
        import functools

        def plain(function):
            def wrapper(): return function()
            return wrapper

        @plain
        @functools.lru_cache
        def cached(): return 1

        class Model:
            @property
            def size(self): return 1
            @size.setter
            def size(self, value): pass
            @staticmethod
            def scale(): pass
            @classmethod
            def load(cls): pass
            class Inner:
                def deep(self): pass

        Model.Inner.outer = Model

        class Endless:
            def __getattr__(self, name): return Endless()
        """),
        names,
    )
    assert {function.__name__ for function in functions_behind(names["plain"](names["plain"]))} == {"wrapper", "plain"}
    found = [function.__qualname__ for function in functions_behind(names["Model"])]
    assert sorted(found) == ["Model.Inner.deep", "Model.load", "Model.scale", "Model.size", "Model.size"]
    assert list(functions_behind(names["Endless"]())) == []


def test_code_is_the_same_at_the_top_and_inside_of_other_code():
    inside = by_name("fs = [lambda x, k=k: x + k for k in y]")["<lambda>"][0]
    assert same_code(inside, by_name("f = lambda x, k=k: x + k")["<lambda>"][0])


def test_a_global_that_a_function_assigns_is_one_that_it_reads():
    text = "def f(x):\n    global cache, last\n    if cache is None: cache = {}\n    last = x\n    return cache"
    assert set(global_names(compile(text, "", "exec"))) == {"cache"}


@pytest.mark.parametrize(
    ("text", "does_something"),
    [
        ("adders = [lambda x, k=k: x + k for k in range(3)]", False),
        ("names = dict(zip(sorted(LABELS), range(len(LABELS))))", False),
        ("pattern = re.compile(text)", False),
        ("half = functools.partial(scale, 0.5)", False),
        ("f = lambda: open('x')", False),
        ("held = Holder(lambda x: x)", True),
        ("times = [time.time() for _ in range(3)]", True),
        ("start = datetime.now()", True),
    ],
)
def test_a_statement_that_only_makes_values_may_run_again_and_no_other(text, does_something):
    assert statement_nodes.does_something(ast.parse(text).body[0]) is does_something
