"""The live table of versions, asked as its front end asks."""

from __future__ import annotations

import gc
import json
import linecache
import re
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ipywidgets import Widget
from jupyter_client import KernelManager
from many_versions import Runner, write_versions

import vessl_nb as vessl
from vessl_nb.errors import MissingRequirement, NotFound
from vessl_nb.faces.version import version_text
from vessl_nb.notebook import versions_watch
from vessl_nb.notebook.versions_query import Query, Rows
from vessl_nb.notebook.versions_watch import Views, Watch
from vessl_nb.registry.listing import version_rows
from vessl_nb.registry.version import find_version

COUNT = 10_000
LARGEST_STATE = 40_000  # bytes

register = partial(vessl.register_model, "iris", None, Runner, "model", check=False)


@pytest.fixture(autouse=True)
def _closed():
    yield
    Widget.close_all()


@pytest.fixture
def table():
    """Give the table of three versions."""
    register(tags={"accuracy": 0.9, "by": "ada"}, description="The first one")
    register(tags={"accuracy": 0.95}, aliases=["champion"])
    register(tags={"by": "Grace Hopper"})
    return vessl.versions_table("iris")


def ask(table, do, **what):
    """Send what the front end would send, by the same way in."""
    table._handle_custom_msg({"do": do, **what}, [])


def keys(table):
    return [row["key"] for row in table.page["rows"]]


def written(body):
    """Give a runner as a cell of a notebook writes one."""
    cell = f"class Written(vessl.RunnerBase):\n    @staticmethod\n    def predict(model, data):\n        {body}\n"
    name = f"<cell {len(linecache.cache)}>"
    linecache.cache[name] = (len(cell), None, cell.splitlines(keepends=True), name)
    variables = {"__name__": "__main__", "vessl": vessl}
    exec(compile(cell, name, "exec", dont_inherit=True), variables)
    return variables["Written"]


def found(rows, search):
    return [row.reference for row in rows.find(Query(search=search, show="all"))]


class TestManyVersions:
    """Ten thousand are as quick as ten."""

    @pytest.fixture
    def many(self):
        write_versions("iris", COUNT)
        return vessl.versions_table("iris")

    def test_only_a_page_is_sent_of_what_is_sorted_and_found_among_all(self, many):
        ask(many, "query", sort="tags.accuracy", descending=False)
        assert keys(many) == [f"iris:{number}" for number in range(1, 11)]
        ask(many, "query", search="accuracy>0.9995", page=0)
        assert keys(many) == [f"iris:{number}" for number in range(9_996, 10_001)]
        ask(many, "query", search="", sort="created", descending=True, page=999)
        assert keys(many)[-1] == "iris:1"
        ask(many, "query", size=25)
        state = many.get_state()
        assert len(json.dumps({name: state[name] for name in ("page", "said", "_esm", "_css")})) < LARGEST_STATE

    def test_the_line_of_a_tag_is_short_and_said_in_words(self, many):
        [accuracy] = [column for column in many.page["columns"] if column["key"] == "tags.accuracy"]
        assert len(accuracy["line"]) <= 40
        assert accuracy["line"] == sorted(accuracy["line"])
        words = "accuracy over 10,000 versions, oldest to newest: from 0.0001 to 1; lowest 0.0001, highest 1"
        assert accuracy["said"] == words

    def test_its_faces_are_small_and_no_script_is_in_them(self, many):
        [data, _] = many._repr_mimebundle_()
        assert len(data["text/html"]) < 60_000
        assert "<script" not in data["text/html"]
        assert data["text/plain"].startswith("iris, 10,000 versions")


class TestOrder:
    def test_what_has_no_such_tag_comes_last_either_way(self, table):
        ask(table, "query", sort="tags.accuracy", descending=True)
        assert keys(table) == ["iris:2", "iris:1", "iris:3"]
        ask(table, "query", sort="tags.accuracy", descending=False)
        assert keys(table) == ["iris:1", "iris:2", "iris:3"]

    def test_a_tag_that_was_a_number_and_a_text_is_sorted_all_the_same(self, table):
        register(tags={"accuracy": "unknown"})
        table.refresh()
        ask(table, "query", sort="tags.accuracy", descending=False)
        assert keys(table) == ["iris:1", "iris:2", "iris:4", "iris:3"]
        assert not table.errors

    @pytest.mark.parametrize("column", ["version", "aliases", "created", "runner", "check", "size", "requirements"])
    def test_every_column_sorts_both_ways(self, table, column):
        for descending in (True, False):
            ask(table, "query", sort=column, descending=descending)
            assert sorted(keys(table)) == ["iris:1", "iris:2", "iris:3"]
            assert (table.page["sort"], table.page["descending"]) == (column, descending)

    def test_what_cannot_be_meant_leaves_it_as_it_was(self, table):
        before = dict(table.page)
        ask(table, "query", sort="nothing", page="x", size=10**9, show="odd")
        assert table.page == before
        ask(table, "query", page=7)
        assert table.page["page"] == 0


class TestSearch:
    @pytest.mark.parametrize(
        ("search", "numbers"),
        [
            ("champion", [2]),
            ("FIRST one", [1]),
            ('"first one"', [1]),
            ('"one first"', []),
            ("ada", [1]),
            ("accuracy>0.9", [2]),
            ("accuracy>=0.9 accuracy<0.95", [1]),
            ("accuracy!=0.9", [2]),
            ("by=ADA", [1]),
            ('by="grace hopper"', [3]),
            ("number=3", [3]),
            ("alias=champion", [2]),
            ("alias!=champion", [1, 3]),
            ("runner=Runner size<1GB", [1, 2, 3]),
            ("size>1GB", []),
            ("created>2020 created<2999-01", [1, 2, 3]),
            ('check="not checked"', [1, 2, 3]),
            ("nonsense>3", []),
            ("iris:2", [2]),
        ],
    )
    def test_words_and_comparisons(self, table, search, numbers):
        ask(table, "query", search=search)
        assert sorted(keys(table)) == [f"iris:{number}" for number in numbers]

    def test_the_day_it_was_created_is_found(self, table):
        day = vessl.versions("iris").created[0].strftime("%Y-%m-%d")
        ask(table, "query", search=f"created={day}")
        assert len(keys(table)) == 3

    def test_nothing_found_names_the_tags_there_are(self, table):
        ask(table, "query", search="acuracy>0.9")
        assert table.page["empty"] == "No version matches 'acuracy>0.9'. There are the tags by, accuracy."
        assert table.page["counted"] == "none of 3 versions"

    @given(st.text())
    @settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    def test_no_search_is_wrong(self, table, text):
        rows = table._rows
        assert set(found(rows, text)) <= set(rows.by_key)
        assert found(rows, f"{text} {text}") == found(rows, text) or '"' in text
        for key in rows.by_key:
            assert key in found(rows, key)

    @given(st.floats(-2, 2), st.sampled_from(["<", "<=", ">", ">=", "=", "!="]))
    @settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    def test_a_comparison_is_what_python_says(self, table, limit, sign):
        python = {"=": "=="}.get(sign, sign)
        expected = [
            row.reference
            for row in table._rows.rows
            if "accuracy" in row.tags and eval(f"{row.tags['accuracy']!r} {python} {limit!r}")
        ]
        assert found(table._rows, f"accuracy{sign}{limit!r}") == expected

    def test_the_pages_have_every_version_once(self):
        write_versions("iris", 57)
        table = vessl.versions_table("iris")
        for size in (10, 25):
            seen = []
            for page in range(-(-57 // size)):
                ask(table, "query", page=page, size=size)
                seen += keys(table)
            assert seen == [f"iris:{number}" for number in range(57, 0, -1)]

    def test_a_rows_object_of_nothing_finds_nothing(self):
        assert found(Rows([]), "x accuracy>1") == []


class TestSelection:
    def test_it_goes_by_key_and_survives_new_versions_and_another_order(self, table):
        ask(table, "select", keys=["iris:2"])
        register()
        table.refresh()
        ask(table, "query", sort="created", descending=False)
        assert table.selected == ("iris:2",)
        assert table.page["selected"] == ["iris:2"]

    def test_a_third_takes_the_place_of_the_first(self, table):
        ask(table, "select", keys=["iris:1", "iris:2", "iris:3"])
        assert table.selected == ("iris:2", "iris:3")

    def test_what_is_not_there_cannot_be_selected_and_what_was_deleted_is_no_more(self, table):
        ask(table, "select", keys=["iris:1", "iris:9"])
        assert table.selected == ("iris:1",)
        vessl.delete_model("iris", 1)
        table.refresh()
        assert table.selected == ()
        assert table.said["text"] == "iris:1 is not there any more."

    @pytest.mark.filterwarnings("ignore:.* travels with the runner")
    def test_one_opens_its_source_masked_its_requirements_its_examples_and_its_history(self):
        runner = written("api_key = 'sk-abcdefghijklmnopqrstuvwxyz0123456789ABCD'; return [api_key and data]")
        register = partial(vessl.register_model, "net", None, runner, "m", check=False)
        register(["numpy"], sample=["one", "two", "three", "four"])
        register(aliases=["champion"])
        vessl.set_alias("net:1", "champion")
        vessl.archive("net:1")
        table = vessl.versions_table("net")
        ask(table, "select", keys=["net:1"])
        html = table._panel["html"]
        words = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html.partition("</style>")[2]))
        assert '<span class="vnb-key">return</span>' in html
        assert "sk-abcdef" not in html
        assert "numpy declared" in words
        assert "input of example 1 &quot;one&quot;" in words
        assert "… and 1 more example" in words
        assert "History, 3 events" in words
        assert "alias champion set to revision 1, from net:2" in words
        ask(table, "select", keys=["net:2"])
        assert "alias champion moved on to net:1" in table._panel["html"]

    def test_two_show_what_differs_and_say_what_does_not(self, table):
        ask(table, "select", keys=["iris:2", "iris:1"])
        html = table._panel["html"].partition("</style>")[2]
        words = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))
        assert "iris:1 compared with iris:2" in words
        assert "accuracy: 0.9 → 0.95 (up by 0.05)" in words
        assert "by: only in the first: ada" in words
        assert re.search(r"The same in both: .*runner\.py\.", words)

    def test_two_sources_differ_line_by_line(self):
        for body in ("return data", "return [data]"):
            vessl.register_model("net", None, written(body), "m", check=False)
        table = vessl.versions_table("net")
        ask(table, "select", keys=["net:1", "net:2"])
        html = table._panel["html"]
        assert re.search(r'<span class="vnb-removed">- +return data</span>', html)
        assert re.search(r'<span class="vnb-added">\+ +return \[data\]</span>', html)

    def test_a_version_of_files_only_is_said_to_be_one(self, table):
        vessl.create_model("iris")
        table.refresh()
        ask(table, "select", keys=["iris:4"])
        assert "holds files, but no runner was registered for it" in table._panel["error"]
        assert not table.errors


class TestActions:
    def test_an_alias_moves(self, table):
        ask(table, "alias", key="iris:3", alias="champion")
        assert table.said["text"] == "champion now points at iris:3."
        aliases = {row["key"]: row["aliases"] for row in table.page["rows"]}
        assert aliases == {"iris:3": ["champion"], "iris:2": [], "iris:1": []}

    def test_archiving_hides_a_version_and_offers_to_undo_it(self, table):
        ask(table, "archive", key="iris:2")
        assert (table.said["text"], table.said["undo"]) == ("iris:2 is archived.", "iris:2")
        assert keys(table) == ["iris:3", "iris:1"]
        assert table.page["counted"] == "2 of 3 versions, 1 archived not shown"
        ask(table, "query", show="archived")
        assert keys(table) == ["iris:2"]
        ask(table, "unarchive", key="iris:2")
        assert table.page["empty"] == "No version is archived."
        ask(table, "query", show="current")
        assert keys(table) == ["iris:3", "iris:2", "iris:1"]

    def test_what_fails_is_said_in_words_and_kept(self, table):
        ask(table, "alias", key="iris:3", alias="7")
        assert table.said["failed"]
        assert table.said["text"].startswith("'7' cannot be an alias")
        assert [type(error).__name__ for error in table.errors] == ["InvalidArgument"]

    def test_a_mistake_of_ours_is_shown_too(self, table):
        ask(table, "dance")
        assert table.said["text"].startswith("KeyError: 'dance'")


class TestNews:
    def test_what_another_process_registers_is_there_soon(self, table):
        ask(table, "hello", view="one")
        code = "from many_versions import Runner; import vessl_nb as v; [v.register_model('iris', None, Runner, 'm', check=False) for _ in 'ab']"
        subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parent, check=True, timeout=60)
        until = time.monotonic() + 10
        while "iris:5" not in keys(table) and time.monotonic() < until:
            time.sleep(0.02)
        assert keys(table)[:2] == ["iris:5", "iris:4"]
        assert table.errors == []
        assert "new version" in table.said["text"]

    def test_two_new_versions_are_announced_by_name(self, table):
        register()
        register()
        table._look()
        assert table.said["text"] == "2 new versions: iris:5, iris:4."
        assert [row["notes"] for row in table.page["rows"]] == [["new"], ["new"], [], [], []]

    def test_it_looks_only_while_it_is_looked_at(self, table):
        assert not table._watch.is_running
        ask(table, "hello", view="one")
        ask(table, "hello", view="two")
        ask(table, "bye", view="one")
        assert table._watch.is_running
        ask(table, "bye", view="two")
        assert ended(table._watch)
        ask(table, "hello", view="three")
        assert table._watch.is_running
        table.close()
        assert ended(table._watch)

    def test_a_view_that_says_nothing_any_more_is_taken_for_gone(self, table, monkeypatch):
        ask(table, "hello", view="of a page that was loaded anew")
        ask(table, "hello", view="new")
        monkeypatch.setattr(versions_watch, "_SILENCE", 0.0)
        assert ended(table._watch)
        monkeypatch.undo()
        ask(table, "hello", view="new")
        assert table._watch.is_running
        assert list(table._views) == ["new"]

    def test_while_a_cell_runs_nobody_is_taken_for_gone(self, plain_shell, monkeypatch):
        views = Views()
        views.greet("one")
        monkeypatch.setattr(versions_watch, "_SILENCE", 0.1)
        plain_shell.user_ns["views"] = views
        cell = "import time; time.sleep(0.2); views.drop_silent(); kept = list(views)"
        plain_shell.run_cell(cell).raise_error()
        assert plain_shell.user_ns["kept"] == ["one"]
        time.sleep(0.2)
        views.drop_silent()
        assert list(views) == []

    def test_a_hello_that_is_said_again_opens_nothing_anew(self, table, monkeypatch):
        ask(table, "hello", view="one")
        ask(table, "select", keys=["iris:1"])
        sent = []
        monkeypatch.setattr(table, "send", sent.append)
        ask(table, "hello", view="one")
        assert sent == [{"done": "hello"}]
        ask(table, "hello", view="two")
        assert [list(content) for content in sent[1:]] == [["panel"], ["done"]]

    def test_a_watch_ends_with_what_it_watches_for(self):
        class Looker:
            def look(self):
                pass

        looker = Looker()
        watch = Watch(looker.look)
        watch.start()
        del looker
        gc.collect()
        assert ended(watch)

    def test_a_trouble_that_lasts_is_said_once(self, table, registry_root):
        (registry_root / "journal" / "default" / "iris" / "00000004.json").write_text("no document")
        for _ in range(3):
            table._look()
        assert "00000004.json" in table.said["text"]
        assert (table.said["count"], len(table.errors)) == (1, 1)
        assert len(keys(table)) == 3


def ended(watch):
    until = time.monotonic() + 3
    while watch.is_running and time.monotonic() < until:
        time.sleep(0.02)
    return not watch.is_running


class TestFaces:
    def test_a_repository_that_is_not_there_is_refused(self, table):
        with pytest.raises(NotFound, match="Did you mean 'iris'"):
            vessl.versions_table("irsi")

    def test_all_repositories_are_shown_together_without_lines(self, table):
        vessl.register_model("net", None, Runner, "m", check=False, tags={"accuracy": 0.5})
        every = vessl.versions_table()
        assert keys(every) == ["iris:3", "iris:2", "iris:1", "net:1"]
        assert not [column for column in every.page["columns"] if "line" in column]

    def test_an_empty_registry_says_how_to_begin(self):
        assert vessl.versions_table().page["empty"] == "No versions yet. Register one: %vessl_register NAME"

    def test_the_text_and_the_html_are_those_of_the_listing(self, table):
        from vessl_nb.registry.listing import VersionsTable

        listing = VersionsTable("iris")
        [data, _] = table._repr_mimebundle_()
        assert data["text/plain"] == repr(table) == repr(listing)
        assert listing._repr_html_() in data["text/html"]
        assert len(table) == len(list(version_rows("iris"))) == len(table.frame) == 3

    def test_tags_beyond_the_most_used_are_folded(self, table):
        register(tags={f"tag{place}": place for place in range(8)} | {"accuracy": 1.0})
        table.refresh()
        labels = [column["label"] for column in table.page["columns"]]
        assert labels[5:11] == ["accuracy", "by", "tag0", "tag1", "tag2", "5 more tags"]
        assert table.page["rows"][0]["more"] == "tag3=3, tag4=4, tag5=5 +2"
        assert table.page["columns"][10]["choices"] == [f"tag{place}" for place in range(3, 8)]

    def test_a_folded_tag_that_is_sorted_by_comes_out_and_is_found_like_any_other(self, table):
        register(tags={f"tag{place}": place for place in range(8)} | {"accuracy": 1.0})
        register(tags={"tag7": 70, "accuracy": 0.5})
        table.refresh()
        ask(table, "query", sort="tags.tag6", descending=True)
        assert keys(table)[0] == "iris:4"
        labels = [column["label"] for column in table.page["columns"]]
        assert labels[5:12] == ["accuracy", "tag7", "by", "tag0", "tag1", "tag6", "4 more tags"]
        assert table.page["rows"][0]["tags"] == ["1", "7", "", "0", "1", "6"]
        ask(table, "query", sort="version", search="tag6>=6")
        assert keys(table) == ["iris:4"]
        assert "tag6" not in [column["label"] for column in table.page["columns"]]

    @pytest.mark.filterwarnings("ignore:.* is declared, but is not installed")
    def test_a_page_stays_small_whatever_the_versions_are_called_and_say(self):
        long = "ä long text, " * 40
        for _ in range(26):
            vessl.register_model(
                "a" * 128,
                None,
                Runner,
                "m",
                [f"{'long-package-name-' * 3}{place}" for place in range(30)],
                check=False,
                tags={f"{long} {place}": long for place in range(60)},
                aliases=[f"{'alias' * 20}{place}" for place in range(4)],
                description=long,
                organization_name="b" * 128,
            )
        table = vessl.versions_table(f"{'b' * 128}/{'a' * 128}")
        ask(table, "query", size=25)
        assert len(table.page["rows"]) == 25
        assert table.page["rows"][0]["about"].startswith("ä")
        size = {name: len(json.dumps(value, default=str)) for name, value in table.get_state().items()}
        assert sum(size.values()) < LARGEST_STATE, size
        assert len(table._repr_mimebundle_()[0]["text/html"]) < 60_000

    def test_the_code_that_loads_a_version_uses_the_name_that_the_notebook_has(self, table, monkeypatch):
        ask(table, "select", keys=["iris:2"])
        assert table._panel["code"] == 'import vessl_nb\n\nmodel = vessl_nb.load("iris:2")'
        shell = SimpleNamespace(user_ns={"_": vessl, "v": vessl})
        monkeypatch.setattr("vessl_nb.notebook.versions_code.get_ipython", lambda: shell)
        ask(table, "select", keys=["iris:1"])
        assert table._panel["code"] == 'model = v.load("iris:1")'

    def test_what_users_write_is_never_html(self, table):
        evil = "<img src=x onerror=alert(1)>"
        register(tags={evil: evil}, description=evil)
        table.refresh()
        for selected in (["iris:4"], ["iris:4", "iris:1"]):
            ask(table, "select", keys=selected)
            assert evil not in table._panel["html"]


def test_in_a_kernel_the_live_table_and_its_static_face_are_two_outputs(table, tmp_path):
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(cwd=str(tmp_path))
    client = manager.blocking_client()
    client.start_channels()

    def run(cell):
        outputs = []
        reply = client.execute_interactive(cell, timeout=60, output_hook=outputs.append, allow_stdin=False)
        assert reply["content"]["status"] == "ok", reply["content"]
        shown = (output for output in outputs if output["msg_type"] in {"display_data", "execute_result"})
        return [(output["msg_type"], sorted(output["content"]["data"])) for output in shown]

    try:
        client.wait_for_ready(timeout=60)
        run("%load_ext vessl_nb")
        run("import sys; assert not {'anywidget', 'ipywidgets'} & sys.modules.keys()")
        live = ("display_data", ["application/vnd.jupyter.widget-view+json"])
        static = ("execute_result", ["text/html", "text/plain"])
        assert run("%vessl_versions iris") == [live, static]
        assert run("%vessl_versions iris;") == []
        assert run("table = %vessl_versions iris") == []
        assert run("table") == [live, static]
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.context.destroy(linger=0)


class TestSecrets:
    """A token in what was said of a version is stored as it is, and shown nowhere."""

    TOKEN = "ghp_abcdefghijklmnopqrstuvwxyz0123456789"

    @pytest.fixture
    def shown(self):
        needed = f"mine @ git+https://{self.TOKEN}@github.com/a/mine.git"
        tags = {"key": self.TOKEN, "password": "hunter2", "token": 3, "accuracy": 0.9}
        with pytest.warns(UserWarning, match=r"mine @ .*is not installed here") as warned:
            version = register(requirements=[needed], tags=tags, description=f"with {self.TOKEN}")
        assert not any(self.TOKEN in str(warning.message) for warning in warned)
        return version

    def test_the_version_shows_none(self, shown):
        faces = shown._repr_html_() + version_text(shown.face(), in_full=True)
        assert self.TOKEN not in faces
        assert "hunter2" not in faces
        assert "accuracy=0.9" in faces

    def test_the_table_shows_none_in_any_of_its_faces(self, shown):
        table = vessl.versions_table("iris")
        ask(table, "select", keys=["iris:1"])
        faces, _ = table._repr_mimebundle_()
        for text in (json.dumps(table.page), json.dumps(table._panel), *faces.values(), table.frame.to_string()):
            assert self.TOKEN not in text
            assert "hunter2" not in text
            assert "0.9" in text

    def test_what_is_stored_stays_as_it_is(self, shown):
        version = find_version("iris:1")
        assert (version.tags["key"], version.tags["password"]) == (self.TOKEN, "hunter2")
        assert self.TOKEN in version.description
        assert self.TOKEN in version.requirements[0]

    def test_what_is_missing_is_said_without(self, shown):
        with pytest.raises(MissingRequirement) as caught:
            vessl.load("iris:1")
        assert "mine @ git+https://***@github.com" in caught.value.what
        assert self.TOKEN not in str(caught.value)
