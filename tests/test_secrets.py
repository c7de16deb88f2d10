"""Secrets among what a runner takes along, and the environment variables that its code reads."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
import time
import types
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vessl_nb.capture.environment import environment_reads, environment_reads_in
from vessl_nb.values.secrets import mask_secrets, secret_reason

# Put together here, so that no scanner of this repository takes them for real ones.
KNOWN = {
    "sk-" + "proj-a1B2c3D4e5F6g7H8i9J0": "an API key",
    "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8": "a GitHub token",
    "github_pat_" + "11ABCDEFG0_a1B2c3D4e5F6g7H8": "a GitHub token",
    "xoxb-" + "123456789012-abcdefGHIJKL": "a Slack token",
    "AKIA" + "IOSFODNN7ABCDEFG": "an AWS access key",
    "AIza" + "SyA1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q": "a Google API key",
    "hf_" + "aBcDeFgHiJkLmNoPqRsTuVwXyZ": "a Hugging Face token",
    "eyJ" + "hbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl": "a JSON web token",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEow1\nIBAAK==\n-----END RSA PRIVATE KEY-----": "a private key",
    "postgres://admin:hunter2@db.lab:5432/x": "a URL with a password",
    "Bearer " + "a1b2c3d4e5f6g7h8": "a bearer token",
}
HIDDEN = [re.sub(r"^Bearer |^.*admin:|@.*$", "", key) for key in KNOWN]


class TestReason:
    @pytest.mark.parametrize(
        ("name", "said"),
        [
            ("api_key", "api key"), ("OPENAI_API_KEY", "api key"), ("apiKey", "api key"), ("APIKey", "api key"),
            ("hub_token", "token"), ("password", "password"), ("db_passwd", "passwd"), ("clientSecret", "secret"),
            ("credential", "credential"), ("private_key", "private key"), ("basic_auth", "auth"), ("TOKEN2", "token"),
        ],
    )  # fmt: skip
    def test_a_name_may_say_it(self, name, said):
        assert secret_reason(name, "abc") == secret_reason(name, b"abc") == f"its name says {said}"

    @pytest.mark.parametrize(
        "name",
        ["tokenizer", "tokens", "max_tokens", "keys", "monkey", "key", "secretary", "author", "keyboard", "pad_token",
         "eos_token", "token_type", "password_field", "token_url", "secret_name", "tokenize", "_", "", "x1"],
    )  # fmt: skip
    def test_ordinary_names_say_nothing(self, name):
        assert secret_reason(name, "abc") == ""

    @pytest.mark.parametrize(("value", "kind"), KNOWN.items())
    def test_a_value_may_look_like_one_under_any_name(self, value, kind):
        assert secret_reason("x", value) == secret_reason("x", value.encode()) == f"its value looks like {kind}"
        assert secret_reason("note", f"use {value} here") == f"its value looks like {kind}"

    @pytest.mark.parametrize(
        "value", ["", "  ", None, "your-key-here", "YOUR_API_KEY", "xxx", "changeme", "change-me", "<token>", "...",
                  "***", "${TOKEN}", "$TOKEN", "{token}", "todo", "sk-xxxxxxxxxxxxxxxxxxxxxxxx", b"", b"changeme"],
    )  # fmt: skip
    def test_placeholders_are_none(self, value):
        assert secret_reason("api_key", value) == secret_reason("config", {"api_key": value}) == ""

    def test_other_kinds_of_values_are_none_whatever_their_name(self):
        class Token:
            pass

        for value in (lambda: "x", Token, Token(), 3, 2.5, True, types, print, [], {}, [1, 2], object()):
            assert secret_reason("get_token", value) == ""

    def test_a_number_may_be_a_password_or_a_pin(self):
        assert secret_reason("password", 12345) == "its name says password"
        assert secret_reason("cardPin", 1234) == "its name says pin"
        assert (
            secret_reason("pin_memory", 1)
            == secret_reason("password", True)
            == secret_reason("password_length", 8)
            == ""
        )

    @pytest.mark.parametrize("value", ["Task-force-and-other-words-here", "the sk-learn-style-of-writing-things", "AKIAshort",
                                       "https://lab.org/a@b", "http://host:80/x", "bearer of news", "eyJ", "a" * 100,
                                       "0f" * 20, "ghp_", "hf_model_name_of_a_file"])  # fmt: skip
    def test_ordinary_texts_are_none(self, value):
        assert secret_reason("x", value) == ""

    def test_random_texts_are_one_only_under_a_name_that_may_be(self):
        value = "9fK2xQ7vLm3Zp8Rt6Yw1Bd5Nc4Hs0JgA"
        assert secret_reason("key", value) == "its value looks like a key"
        assert (
            secret_reason("digest", value) == secret_reason("key", "a" * 32) == secret_reason("key", value[:20]) == ""
        )

    def test_it_says_where_inside_a_container_or_an_object(self):
        @dataclass
        class Settings:
            name: str
            api_key: str

        class Pair(NamedTuple):
            user: str
            password: str

        assert secret_reason("config", {"url": "x", "api_key": "abc"}) == 'config["api_key"]: its name says api key'
        assert secret_reason("settings", Settings("a", "abc")) == "settings.api_key: its name says api key"
        assert secret_reason("login", Pair("me", "abc")) == "login.password: its name says password"
        value = next(iter(KNOWN))
        assert secret_reason("c", {"a": [0, {"b": value}]}) == 'c["a"][1]["b"]: its value looks like an API key'
        assert secret_reason("c", [{"a": {"b": {"c": value}}}]) == ""  # deeper than three
        assert secret_reason("c", {value}) == "its value looks like an API key"

    def test_a_container_with_such_a_name_is_one_where_it_holds_text(self):
        assert secret_reason("credentials", ["me", "abc"]) == "its name says credentials"
        assert secret_reason("auth", {}) == secret_reason("auth", [""]) == secret_reason("token", [1, 2]) == ""

    def test_large_and_circular_values_cost_nothing(self):
        endless: dict = {}
        endless["self"] = endless
        large = [endless, list(range(10**6)), {i: str(i) for i in range(10**5)}, "ab " * 10**6, b"x" * 10**7]
        begin = time.perf_counter()
        assert [secret_reason("x", value) for value in large] == [""] * 5
        assert time.perf_counter() - begin < 1

    def test_an_object_that_minds_being_looked_at_is_let_alone(self):
        class Hostile:
            def __getattr__(self, name):
                raise RuntimeError(name)

        class Odd:
            __slots__ = ("__weakref__",)

            @property
            def __dict__(self):
                raise RuntimeError

        assert secret_reason("x", Hostile()) == ""
        assert secret_reason("x", Odd()) == ""


class TestMask:
    @pytest.mark.parametrize(
        ("source", "masked"),
        [
            ('API_KEY = "abc"', 'API_KEY = "***"'),
            ("password: str = 'abc'  # mine", "password: str = '***'  # mine"),
            ('config["api_key"] = "abc"', 'config["api_key"] = "***"'),
            ('{"token": "abc", "user": "me"}', '{"token": "***", "user": "me"}'),
            ('connect(user="me", password=b"a\\"b")', 'connect(user="me", password=b"***")'),
            ('self.secret = """a\nb"""', 'self.secret = """***"""'),
            ('TOKEN = ("abc"\n  "def")', 'TOKEN = ("***"\n  "***")'),
            ('TOKEN = "abc"\n"""About it."""', 'TOKEN = "***"\n"""About it."""'),
            ("url = 'postgres://me:hunter2@db/x'", "url = 'postgres://me:***@db/x'"),
            ('API_KEY = ""\nTOKEN = "your-key-here"', 'API_KEY = ""\nTOKEN = "your-key-here"'),
            ('token = os.environ["HF_TOKEN"]', 'token = os.environ["HF_TOKEN"]'),
            ('if token == "the":', 'if token == "the":'),
            ('tokenizer = "bert"; tokens = "a b"', 'tokenizer = "bert"; tokens = "a b"'),
            ('API_KEY = "abc', 'API_KEY = "abc'),  # no Python
            ('def f(:\n  password = "abc"', 'def f(:\n  password = "***"'),
        ],
    )
    def test_what_is_masked_in_source(self, source, masked):
        assert mask_secrets(source) == masked

    @given(st.text(), st.sampled_from(list(zip(KNOWN, HIDDEN, strict=True))), st.text())
    def test_a_known_form_never_comes_through(self, before, key, after):
        whole, hidden = key
        masked = mask_secrets(f"{before}\n{whole}\n{after}")
        assert hidden not in masked
        assert mask_secrets(masked) == masked

    @given(
        st.lists(
            st.sampled_from(["api_key", "token", "x", "=", ":", "(", '"', "'", '"""', "\\", "\n", " ", "[", "]", "a", "*",
                             "***", "@", "://", "Bearer ", "sk-", "1", "eyJ", ".", "-----BEGIN PRIVATE KEY-----"])
        ).map("".join)
    )  # fmt: skip
    @example('token = "a" "b"')
    @example("token='''a''")
    def test_masking_any_text_ends_and_masking_again_changes_nothing(self, text):
        masked = mask_secrets(text)
        assert mask_secrets(masked) == masked

    def test_a_long_text_does_not_hang_it(self):
        begin = time.perf_counter()
        for piece in (
            "token = 'abc'\n",
            "sk-",
            "eyJ",
            "a.",
            "token ",
            "x://",
            'token="""',
            "'",
            "-----BEGIN PRIVATE KEY-----",
        ):
            mask_secrets(piece * (100_000 // len(piece)))
        assert time.perf_counter() - begin < 5


SOURCE = """
import os
import os as o
import os.path as p
from os import environ, getenv
from os import environ as e
NAME = "GLOBAL_NAME"
fetch = os.environ.get

class environment:
    environ = {"A": 1}

def reads(flag, name):
    import os as inner
    from os import getenv as g, environ as local_environ
    env = os.environ
    def nested():
        return [env["NESTED"] for _ in range(2)] + [local_environ["NESTED_TOO"]]
    with_value = os.environ["SUBSCRIPT"] + o.environ.get("GET", "x") + os.getenv("GETENV", default="z")
    more = environ["FROM"] + getenv("FROM_GETENV") + e.get("AS") + inner.environ["INNER"] + g("INNER_GETENV")
    if "CONTAINS" in os.environ or "NOT_CONTAINS" not in environ:
        more += f"{os.environ['IN_F']}" + os.environ[NAME] + fetch("FETCH") + env.pop("POP")
    os.environ["AUGMENTED"] += "x"
    async def later():
        async with flag:
            return await flag(os.getenv(key="KEYWORD"))
    return (lambda: os.environ["LAMBDA"])

def does_not_read(os_like, name):
    os.environ["SET"] = "1"
    os.environ.setdefault("DEFAULT", "1")
    os.environ.update({"UPDATED": "1"})
    del os.environ["DELETED"]
    environment.environ["OTHER"]
    os_like["PLAIN"]
    os.environ[name]
    os.environ["PRE" + name]
    os.path.join("A", "B")
    "IN_LIST" in [1]
    def hides(os, environ):
        return os.environ["HIDDEN"], environ["HIDDEN_TOO"], environ.get("HIDDEN_THREE")
    return os.putenv("PUT", "1"), dict(os.environ)["COPIED"]
"""

READS = {
    "SUBSCRIPT", "GET", "GETENV", "FROM", "FROM_GETENV", "AS", "INNER", "INNER_GETENV", "CONTAINS", "NOT_CONTAINS", "IN_F",
    "GLOBAL_NAME", "FETCH", "POP", "AUGMENTED", "NESTED", "NESTED_TOO", "KEYWORD", "LAMBDA",
}  # fmt: skip

OTHER_PYTHONS = sorted(Path("~/.pyenv/versions").expanduser().glob("3.1[1-9]*/bin/python"))


class TestEnvironment:
    def test_a_functions_byte_code_tells_what_it_reads(self):
        namespace: dict = {}
        exec(SOURCE, namespace)
        assert set(environment_reads(namespace["reads"].__code__, namespace)) == READS
        assert environment_reads(namespace["does_not_read"].__code__, namespace) == []

    def test_each_name_comes_once_in_order(self):
        namespace = {"os": os}
        exec("def f(): return os.environ['B'], os.environ['A'], os.getenv('B')", namespace)
        assert environment_reads(namespace["f"].__code__, namespace) == ["B", "A"]

    def test_a_name_that_is_something_else_here_is_not_the_environment(self):
        namespace = {"os": types.SimpleNamespace(environ={"A": 1})}
        exec("def f(): return os.environ['A']", namespace)
        assert environment_reads(namespace["f"].__code__, namespace) == []
        assert environment_reads(namespace["f"].__code__, {}) == []

    def test_a_modules_source_tells_the_same(self):
        module = SOURCE.partition("def does_not_read")[0]
        assert set(environment_reads_in(module)) == READS
        unread = SOURCE.replace(module[module.index("def reads") :], "").partition("    def hides")[0]
        assert environment_reads_in(unread) == []

    def test_a_source_that_is_no_python_reads_nothing(self):
        assert environment_reads_in("def f(:") == environment_reads_in("\0") == environment_reads_in("") == []

    @pytest.mark.parametrize("python", OTHER_PYTHONS, ids=lambda path: path.parent.parent.name)
    def test_every_python_on_this_machine_reads_the_same(self, python, tmp_path):
        file = Path(sys.modules[environment_reads.__module__].__file__)
        script = tmp_path / "script.py"
        script.write_text(
            textwrap.dedent(f"""
            import importlib.util
            spec = importlib.util.spec_from_file_location("environment", {str(file)!r})
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            namespace = {{}}
            exec({SOURCE!r}, namespace)
            print(*sorted(module.environment_reads(namespace["reads"].__code__, namespace)))
            print(*module.environment_reads(namespace["does_not_read"].__code__, namespace))
        """)
        )
        ran = subprocess.run([python, "-W", "ignore", script], capture_output=True, text=True, check=True)
        assert ran.stdout == " ".join(sorted(READS)) + "\n\n"
