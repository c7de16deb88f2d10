"""What a person sees, in a terminal and in a notebook."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from html.parser import HTMLParser
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace as replace_row

from vessl_nb.faces import html
from vessl_nb.faces.belongings import (
    BelongingsFace,
    belongings_html,
    belongings_text,
    takes_along_html,
    takes_along_lines,
)
from vessl_nb.faces.captures import STANDS_OUT_FROM, CaptureFace
from vessl_nb.faces.check import CheckFace, check_html, check_text
from vessl_nb.faces.frames import FrameFace
from vessl_nb.faces.preview import PreviewFace, StageFace, preview_html, preview_text
from vessl_nb.faces.previews import previews_html, previews_text
from vessl_nb.faces.value import ValueFace
from vessl_nb.faces.version import VersionFace, version_html, version_text
from vessl_nb.faces.versions import VersionRow, versions_html, versions_text
from vessl_nb.faces.words import aligned, clean, duration_words, size_words

SAMPLE = ValueFace("dict", "1 item", "{'x': [5.1, 3.5, 1.4, 0.2]}")
ARRAY = ValueFace("ndarray", "2 × 2 float64", "array([[5.1, 3.5],\n       [1.4, 0.2]])")
ANSWER = ValueFace("dict", "1 item", "{'species': 'setosa'}")
FRAMES = (
    FrameFace("In[3], line 12, in predict", ((12, "return self.scale(data)"),), 12),
    FrameFace("scaling.py, line 48, in scale", ((47, "def scale(data):"), (48, "    return data - self.mean")), 48),
)
FIRST = StageFace("preprocess_data", "ok", ARRAY, 320e-6)
BROKEN = StageFace("predict", "failed", None, 1e-3, ARRAY, "ValueError: 4 features, not 3", FRAMES)
LAST = StageFace("postprocess_data", "ok", ANSWER, 2e-7, identity=True)
PREVIEW = PreviewFace("IrisRunner", SAMPLE, (FIRST, StageFace("predict", "ok", ANSWER, 1.24e-3), LAST))
FAILED = PreviewFace("IrisRunner", SAMPLE, (FIRST, BROKEN, StageFace("postprocess_data", "not run")))

NOON = datetime(2026, 11, 3, 12, 5, 9, tzinfo=UTC)
TAGS = {"accuracy": 0.93, "data": "october"}
ROW = VersionRow("iris:3", 3, 1, ("champion", "latest"), NOON, "IrisRunner", TAGS, 4_213_000, 12_300, "No third site.")
SECOND = VersionRow("iris:2", 2, 2, (), NOON, "IrisRunner", {"accuracy": 0.5, "note": "grid"}, 4_213_000, 12_300, "")
ROWS = [ROW, SECOND, VersionRow("iris:1", 1, 1, (), NOON, "", {}, 4_213_000, 12_300, "")]
SCALER = CaptureFace("scaler", "sklearn.preprocessing._data.StandardScaler", 1230, "global", "In[2]", ("predict",))
STATS = CaptureFace("stats", "pandas.core.frame.DataFrame", 8_000_000, "global", "In[1]", ("clean",))
CLEAN = CaptureFace("clean", "function", 0, "global", "In[3]", ("predict", "postprocess_data"))
TOKEN = CaptureFace("TOKEN", "str", 40, "global", "In[2]", ("predict",), "its name says token")
CHECK = CheckFace(True, 2, ("Its answer to sample 2 is not deterministic.",), 1.24, "3.11.9")
VERSION = VersionFace(
    *("iris:3", "iris", 3, 1, "IrisRunner", "RandomForestClassifier", 4_213_000, 1_120_400, NOON, ("champion",)),
    {"accuracy": 0.97},
    "No third site.",
    requirements=(("numpy>=2", "declared"), ("scikit-learn==1.5.2", "sklearn, imported by predict")),
    env=("HF_TOKEN",),
    captures=(SCALER, STATS, CLEAN),
    artifacts=(("vocab.txt", 48_211),),
    examples=2,
    python="3.11.9",
    source="class IrisRunner(vessl.RunnerBase): ...\n",
    unwritten=("the lambda of In[3].",),
    modules=(("helper.py", 512),),
    reads=("API_URL", "HF_TOKEN"),
    signature=(("input", '{"x": [number, ...]}'), ("output", "string")),
    check=CHECK,
)
BELONGINGS = BelongingsFace(
    "IrisRunner",
    (SCALER, STATS, CLEAN, TOKEN),
    (("helper.py", 512), ("pkg/__init__.py", 0), ("pkg/model.py", 2048)),
    VERSION.requirements,
    (("API_URL", "helper.py"),),
    (
        ("predict uses 'scalr', which exists nowhere, In[3], line 4.", "Did you mean 'scaler'?"),
        ("Cannot pickle lock, a _thread.lock", "Create it in load_model."),
    ),
    ("TOKEN travels with the runner: env=[...].", "clean comes from a cell that was deleted."),
)
NOTHING = BelongingsFace("Echo", (), (), (), (), (), ())
FACES = [
    preview_html(PREVIEW),
    preview_html(FAILED),
    previews_html("IrisRunner", [PREVIEW, FAILED]),
    versions_html("iris", ROWS),
    version_html(VERSION),
    belongings_html(BELONGINGS),
    html.extended(preview_html(PREVIEW), takes_along_html(BELONGINGS)),
]


class Page(HTMLParser):
    """A page as a browser reads it; fails where a tag closes what was not open."""

    def __init__(self, source):
        super().__init__()
        self.tags, self.text, self.open = [], "", []
        self.feed(source)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.open += [tag] if tag not in {"br", "img"} else []

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += "" if self.open[-1:] == ["style"] else data

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


PREVIEWS_TEXT = """
IrisRunner, 2 samples, 1 failed
  Sample   input                         preprocess_data          predict                                postprocess_data
       1   {'x': [5.1, 3.5, 1.4, 0.2]}   ndarray, 2 × 2 float64   {'species': 'setosa'}                  not overridden
       2   {'x': [5.1, 3.5, 1.4, 0.2]}   ndarray, 2 × 2 float64   failed: ValueError: 4 features, not…   not run
  Sample 2 failed in predict:
      ValueError: 4 features, not 3
      In[3], line 12, in predict
        12  return self.scale(data)
      scaling.py, line 48, in scale
        47  def scale(data):
      → 48      return data - self.mean
        given: ndarray, 2 × 2 float64
          array([[5.1, 3.5],
                 [1.4, 0.2]])
"""
PREVIEW_TEXT = """
IrisRunner
  input              dict, 1 item                {'x': [5.1, 3.5, 1.4, 0.2]}
  preprocess_data    ndarray, 2 × 2 float64
      array([[5.1, 3.5],
             [1.4, 0.2]])
  predict            dict, 1 item                {'species': 'setosa'}
  postprocess_data   unchanged, not overridden
"""
FAILED_TEXT = """
IrisRunner failed in predict
  input              dict, 1 item             {'x': [5.1, 3.5, 1.4, 0.2]}
  preprocess_data    ndarray, 2 × 2 float64
      array([[5.1, 3.5],
             [1.4, 0.2]])
  predict            failed                   ValueError: 4 features, not 3
      In[3], line 12, in predict
        12  return self.scale(data)
      scaling.py, line 48, in scale
        47  def scale(data):
      → 48      return data - self.mean
        given: ndarray, 2 × 2 float64
          array([[5.1, 3.5],
                 [1.4, 0.2]])
  postprocess_data   not run
"""
VERSIONS_TEXT = """
iris, 3 versions
  Version    Aliases            Runner         accuracy   data      note   Description
  iris:3     champion, latest   IrisRunner         0.93   october          No third site.
  iris:2@2                      IrisRunner          0.5             grid
  iris:1                        not servable
"""
VERSION_TEXT = """
iris:3 (champion)
  Runner         IrisRunner
  Model          RandomForestClassifier
  Check          passed in a clean process, 2 samples
                 Its answer to sample 2 is not deterministic.
  Tags           accuracy=0.97
  Description    No third site.
  Signature      input    {"x": [number, ...]}
                 output   string
  Captures       stats    DataFrame        In[1], used by clean
                   large: load it from a file in load_model, or pass it as the model
                 scaler   StandardScaler   In[2], used by predict
                 clean    function         In[3], used by predict, postprocess_data
  Modules        helper.py
  Files          vocab.txt
  Requirements   numpy>=2       declared
                 scikit-learn   sklearn, imported by predict
  Environment    HF_TOKEN
                 API_URL    read by the code, not declared
  runner.py      not complete: the lambda of In[3].
  Examples       2
  Python         3.11.9
  Load it        vessl_nb.load("iris:3")
"""
BELONGINGS_TEXT = """
IrisRunner takes along 4 names, 3 local files
  Problems       predict uses 'scalr', which exists nowhere, In[3], line 4.
                   Did you mean 'scaler'?
                 Cannot pickle lock, a _thread.lock
                   Create it in load_model.
  Names          stats    DataFrame        In[1], used by clean
                   large: load it from a file in load_model, or pass it as the model
                 TOKEN    str              In[2], used by predict
                   secret: its name says token
                 scaler   StandardScaler   In[2], used by predict
                 clean    function         In[3], used by predict, postprocess_data
  Modules        helper.py
                 pkg/__init__.py
                 pkg/model.py
  Requirements   numpy>=2       declared
                 scikit-learn   sklearn, imported by predict
  Environment    API_URL   read by helper.py
  Remarks        TOKEN travels with the runner: env=[...].
                 clean comes from a cell that was deleted.
"""
TAKES_ALONG_TEXT = """
Takes along: scaler (StandardScaler), stats (DataFrame), TOKEN (str), 1 helper, helper.py, pkg/
  problem: predict uses 'scalr', which exists nowhere, In[3], line 4. Did you mean 'scaler'?
  problem: Cannot pickle lock, a _thread.lock. Create it in load_model.
  large: stats (DataFrame), In[1]: load it from a file in load_model, or pass it as the model
  secret: TOKEN travels with the runner: env=[...].
  note: clean comes from a cell that was deleted.
"""


def test_text_faces():
    assert preview_text(PREVIEW) == PREVIEW_TEXT.strip()
    assert preview_text(FAILED) == FAILED_TEXT.strip()
    assert previews_text("IrisRunner", [PREVIEW, FAILED]) == PREVIEWS_TEXT.strip()
    assert versions_text("iris", ROWS) == VERSIONS_TEXT.strip()
    assert version_text(VERSION) == VERSION_TEXT.strip()
    assert belongings_text(BELONGINGS) == BELONGINGS_TEXT.strip()
    assert takes_along_lines(BELONGINGS) == TAKES_ALONG_TEXT.strip().split("\n")


def test_text_is_the_same_whatever_the_clock_and_the_sizes_say():
    later = {"created": NOON + timedelta(days=9), "size": 17, "added": 3}
    slower = tuple(replace(stage, seconds=9.0) for stage in PREVIEW.stages)
    assert preview_text(replace(PREVIEW, stages=slower)) == preview_text(PREVIEW)
    assert versions_text("iris", [replace_row(row, **later) for row in ROWS]) == versions_text("iris", ROWS)
    later["captures"] = tuple(replace(item, size=item.size + 9) for item in VERSION.captures)
    later["requirements"] = (VERSION.requirements[0], ("scikit-learn==9.9.9", VERSION.requirements[1][1]))
    later["check"] = replace(CHECK, seconds=9.0, python="3.13.1")
    assert version_text(replace(VERSION, **later)) == version_text(VERSION)
    assert check_text("iris:1", later["check"]) == check_text("iris:1", CHECK)
    later = {name: later[name] for name in ("captures", "requirements")}
    assert belongings_text(replace(BELONGINGS, **later)) == belongings_text(
        replace(BELONGINGS, captures=VERSION.captures)
    )


def test_a_terminal_is_shown_times_and_sizes():
    assert "2026-11-03 12:05   4.2 MB   12.3 KB" in versions_text("iris", ROWS, in_full=True)
    shown = (
        "scaler   StandardScaler   1.2 KB   In[2], used by predict", "4.2 MB, 1.1 MB of it new", "2026-11-03 12:05 UTC",
        "scikit-learn==1.5.2   sklearn", "2 samples, Python 3.11.9, 1.2 s", "helper.py   512 B",
    )  # fmt: skip
    for words in shown:
        assert words in version_text(VERSION, in_full=True)


def test_addresses_are_left_out():
    broken = replace(BROKEN, error="TypeError: <Net object at 0x7f3a9c0d1e50> is not callable")
    face = replace(FAILED, stages=(broken,))
    assert "<Net object> is not callable" in preview_text(face)
    assert "&lt;Net object&gt; is not callable" in preview_html(face)


def test_strange_characters_do_not_upset_a_terminal():
    assert clean("a \x1b[31mred\x1b[0m\x1b]0;title\x07 b\x00") == "a red b\N{REPLACEMENT CHARACTER}"
    assert aligned([["花", "x"], ["iris", "y"]]) == ["花     x", "iris   y"]


def test_long_values_and_deep_recursions_are_bounded_in_text():
    endless = ValueFace("list", "1,000 items", "\n".join(f"[{number}," for number in range(1000)))
    assert "… and 988 more lines" in preview_text(replace(PREVIEW, given=endless))
    deep = tuple(FrameFace(f"a.py, line {number}, in f", ((number, "f()"),), number) for number in range(1, 101))
    text = preview_text(replace(FAILED, stages=(replace(BROKEN, frames=deep),)))
    assert "… 92 frames before" in text
    assert (text.count("→"), "→ 100  f()" in text) == (1, True)
    assert "line 92," not in text


@pytest.mark.parametrize("source", FACES)
def test_html_is_a_table_that_reads_without_its_style(source):
    page = Page(source)
    assert len(page.all("table")) == len(page.all("caption")) == len(page.all("style")) == 1
    assert page.all("th")
    assert {attrs.get("scope") for attrs in page.all("th")} <= {"row", "col"}
    assert not [words for words in ("<script", "<link", "<img", "http", "url(", "@import") if words in source]


def test_style_reaches_nothing_but_the_face():
    assert html.STYLE.startswith(".vessl-nb.vessl-nb {")
    depths = list(accumulate({"{": 1, "}": -1}.get(sign, 0) for sign in html.STYLE))
    assert depths.index(0, html.STYLE.index("{")) == len(html.STYLE) - 1, "a rule outside the scope"


def test_preview_has_a_row_for_each_stage_with_its_time_and_share():
    page = Page(preview_html(PREVIEW))
    assert [attrs["scope"] for attrs in page.all("th")].count("row") == 4
    assert "320 µs, 21%" in page.text
    assert {"style": "width: 79%"} in page.all("span")
    assert page.text.count("unchanged, not overridden") == 1
    assert page.text.count("setosa") == 1, "what was not changed is not repeated"


def test_failed_preview_says_it_in_words():
    page = Page(preview_html(FAILED))
    for words in ("failed in predict", "ValueError: 4 features, not 3", "given ndarray, 2 × 2 float64", "not run"):
        assert words in page.text
    assert "<strong>→ 48      return data - self.mean</strong>" in preview_html(FAILED)
    assert page.text.count("[1.4, 0.2]])") == 2, "what went in is shown with the failure"


def test_a_stage_says_what_changed_and_what_its_numbers_are():
    value = replace(ARRAY, facts="0.2 to 5.1, mean 2.55", chart="<svg></svg>")
    face = replace(PREVIEW, stages=(replace(FIRST, value=value, change="[0, 1] was 3.0"), *PREVIEW.stages[1:]))
    assert "      0.2 to 5.1, mean 2.55\n      ([0, 1] was 3.0)\n" in preview_text(face)
    for words in ("0.2 to 5.1, mean 2.55", "[0, 1] was 3.0"):
        assert words in Page(preview_html(face)).text
    assert "<svg></svg>" in preview_html(face)


def test_several_samples_are_a_row_each_with_their_pictures():
    drawn = replace(PREVIEW, given=replace(ARRAY, html='<img src="data:image/png;base64,AAAA">'))
    source = previews_html("IrisRunner", [drawn, FAILED])
    page = Page(source)
    assert [attrs["scope"] for attrs in page.all("th")].count("row") == 2
    assert (len(page.all("img")), page.text.count("ValueError: 4 features, not 3")) == (1, 2)
    assert "Sample 2 failed in predict" in page.text
    many = [PREVIEW] * 1000
    assert previews_text("IrisRunner", many).endswith("… and 980 more")
    assert "… and 980 more" in Page(previews_html("IrisRunner", many)).text
    assert previews_text("IrisRunner", []) == Page(previews_html("IrisRunner", [])).text.replace(" ", ", ", 1)


def test_of_several_samples_only_what_changed_is_said_with_each():
    same = replace(FIRST, change="unchanged since the last run")
    other = replace(FIRST, change="[0, 1] was 3.0")
    faces = [replace(PREVIEW, stages=(stage, *PREVIEW.stages[1:])) for stage in (same, other)]
    for shown in (previews_text("R", faces), Page(previews_html("R", faces)).text):
        assert (shown.count("unchanged since"), shown.count("[0, 1] was 3.0")) == (0, 1)
    for shown in (previews_text("R", faces[:1]), Page(previews_html("R", faces[:1])).text):
        assert shown.count("unchanged since the last run") == 1


def test_a_value_is_drawn_as_ipython_would_draw_it():
    drawn = replace(SAMPLE, html="<table class='dataframe'><tr><td>5.1</td></tr></table>")
    page = preview_html(replace(PREVIEW, given=drawn))
    assert f'<div class="vnb-rich" tabindex="0">{drawn.html}</div>' in page
    assert "{&#x27;x&#x27;" not in page


def test_a_hundred_versions_are_folded():
    rows = [replace_row(ROW, reference=f"iris:{number}") for number in range(100, 0, -1)]
    text, page = versions_text("iris", rows), Page(versions_html("iris", rows))
    assert text.startswith("iris, 100 versions\n")
    assert text.endswith("… and 80 more")
    assert page.text.endswith("… and 80 more")
    assert (len(text.splitlines()), len(page.all("tr"))) == (23, 21)


def test_no_versions_says_what_to_do_next():
    words = "No versions yet. Register one: %vessl_register NAME"
    assert versions_text("iris", []) == f"iris\n  {words}"
    assert words in Page(versions_html("iris", [])).text


def test_versions_have_a_column_for_each_tag_and_numbers_flush_right():
    page = versions_html("iris", ROWS)
    assert '<th scope="col" class="vnb-number">accuracy</th><th scope="col">data</th><th scope="col">note</th>' in page
    assert '<td class="vnb-number">0.93</td>' in page
    assert '<code class="vnb-chip">champion</code> <code class="vnb-chip">latest</code>' in page
    assert "not servable" in page
    seoul = replace_row(ROW, created=NOON.astimezone(timezone(timedelta(hours=9))))
    assert '<time datetime="2026-11-03T12:05:09Z">2026-11-03 12:05</time>' in versions_html("iris", [seoul])


def test_many_tags_and_long_descriptions_do_not_make_a_table_nobody_can_read():
    wide = replace_row(ROW, tags={f"metric_{number}": number for number in range(40)}, description="word " * 60)
    page = Page(versions_html("iris", [wide]))
    assert "… and 28 more tags" in page.text
    assert "… and 28 more tags" in versions_text("iris", [wide])
    assert any(attrs.get("title", "").startswith("word word") for attrs in page.all("span"))


def test_what_ships_beyond_eight_is_folded_and_so_is_the_source():
    many = replace(VERSION, captures=tuple(CaptureFace(f"name_{number}", "list", number) for number in range(11)))
    assert ("… and 3 more" in version_text(many), "name_8" in version_text(many)) == (True, False)
    assert "name_10" in version_text(many, in_full=True)
    shown, folded = version_html(many).split("<summary>… and 3 more</summary>")
    assert ("name_7" in shown, "name_8" in folded) == (True, True)
    page = version_html(replace(VERSION, source='print("<b>")\n' * 3))
    assert "<summary>runner.py, 3 lines</summary><pre" in page
    assert "print(&quot;&lt;b&gt;&quot;)" in page


def test_a_version_of_files_only_is_not_offered_for_loading():
    bare = replace(VERSION, runner="", model="", captures=(), examples=0, source="")
    for shown in (version_text(bare), Page(version_html(bare)).text):
        assert ["iris:3" in shown, "not servable" in shown, "vessl_nb.load" in shown] == [True, True, False]


def test_what_is_large_or_secret_is_never_folded_away():
    plain = tuple(CaptureFace(f"name_{number}", "list", number) for number in range(20))
    many = replace(VERSION, captures=(*plain, TOKEN, STATS))
    for shown in (version_text(many), version_html(many).partition("<summary>… and")[0]):
        assert "secret" in shown
        assert "large" in shown
    few = replace(STATS, size=STANDS_OUT_FROM - 1)
    assert "large" not in version_text(replace(VERSION, captures=(few,)))


@pytest.mark.parametrize(
    ("type_name", "advice"),
    [
        ("pandas.core.frame.DataFrame", "load it from a file in load_model, or pass it as the model"),
        ("numpy.ndarray", "load it from a file in load_model, or pass it as the model"),
        ("torch.Tensor", "load it from a file in load_model, or pass it as the model"),
        ("dict", "load it from a file in load_model, or pass it as the model"),
        ("torch.nn.modules.linear.Linear", "register it as the model, not as a global name"),
        ("sklearn.ensemble._forest.RandomForestClassifier", "register it as the model, not as a global name"),
        ("__main__.Net", "register it as the model, not as a global name"),
    ],
)
def test_a_large_name_comes_with_the_advice_for_its_kind(type_name, advice):
    large = CaptureFace("thing", type_name, STANDS_OUT_FROM, "global", "In[1]", ("predict",))
    assert f"large: {advice}\n" in version_text(replace(VERSION, captures=(large,)))
    assert takes_along_lines(replace(NOTHING, captures=(large,)))[1].endswith(f": {advice}")


def test_a_runner_that_takes_nothing_along_says_so():
    assert belongings_text(NOTHING) == "Echo takes along nothing of the notebook"
    assert Page(belongings_html(NOTHING)).text == "Echo takes along nothing of the notebook"
    assert takes_along_lines(NOTHING) == ["Takes along: nothing of the notebook"]


def test_below_a_preview_forty_names_are_a_few_lines():
    many = tuple(CaptureFace(f"name_{number}", "numpy.ndarray", 1 << 20) for number in range(40))
    lines = takes_along_lines(replace(NOTHING, captures=many))
    assert lines[0].endswith("name_4 (ndarray), 35 other values")
    assert (len(lines), lines[-1]) == (10, "  … and 32 more; %vessl_captures shows all")


def test_a_version_says_whether_it_was_checked_and_why_not():
    for shown in (version_text, lambda face: Page(version_html(face)).text):
        assert "passed in a clean process, 2 samples" in shown(VERSION)
        failed = replace(CHECK, passed=False, remarks=("It answers otherwise.",))
        assert "failed in a clean process, 2 samples" in shown(replace(VERSION, check=failed))
        assert "It answers otherwise." in shown(replace(VERSION, check=failed))
        assert "not checked, as was asked" in shown(replace(VERSION, check=None, declined=True))
        assert "not checked: no sample" in shown(replace(VERSION, check=None))


def test_versions_say_which_passed_their_check():
    rows = [replace_row(ROW, check="passed"), replace_row(SECOND, check="failed"), ROWS[2]]
    _, titles, *lines = versions_text("iris", rows).splitlines()
    at = titles.index("Check")
    assert [line[at:].split("  ")[0] for line in lines] == ["passed", "failed", "not checked"]
    assert '<strong class="vnb-bad">failed</strong>' in versions_html("iris", rows)
    assert "Check" not in versions_text("iris", ROWS), "a column that says nothing is left out"


def test_html_stays_small():
    value = ValueFace("str", "1,000,000 characters", "value " * 100_000)
    names = tuple(
        CaptureFace(f"name_{number}", "ndarray", 1, place="In[3]", users=("predict",)) for number in range(3000)
    )
    needed = (("numpy", "imported by predict"),) * 3000
    belongings = replace(BELONGINGS, captures=names, requirements=needed, problems=BELONGINGS.problems * 3)
    source = "a line of source that is of the usual length, more or less\n" * 2000
    drawn = replace(value, html=f'<img src="data:image/png;base64,{"A" * 20_000}">', facts="mean 1, " * 100)
    stage = replace(FIRST, value=drawn, change="was " * 500)
    broken = replace(BROKEN, given=drawn, error="e" * 10_000, frames=(FRAMES[1],) * 1000, change="was " * 500)
    pictured = PreviewFace("IrisRunner", drawn, (stage, stage, broken))
    assert "data:image/png" in preview_html(pictured), "as many pictures as there is room for stay"
    quoted = ValueFace("str", "", "'" * 1000, facts="'" * 200)
    for page in (
        preview_html(replace(pictured, given=quoted, stages=(replace(stage, value=quoted), stage, broken))),
        html.extended(preview_html(pictured), takes_along_html(belongings)),
        html.extended(previews_html("IrisRunner", [pictured] * 100), takes_along_html(belongings)),
        versions_html("iris", [replace_row(ROW, description="x " * 500)] * 100),
        version_html(replace(VERSION, captures=names, requirements=needed, source=source)),
        belongings_html(belongings),
        html.extended(preview_html(PREVIEW), takes_along_html(belongings)),
        preview_html(replace(FAILED, given=value, stages=(replace(BROKEN, given=value, error="e" * 10_000),) * 3)),
    ):
        assert len(page.encode()) < 60_000


HOSTILE = ["<script>alert(1)</script>", '"><img src=x onerror=y>', "</pre></td></table></style><b>", "' on='", "\ud800"]
TAGS_OF_OURS = "div style table caption thead tbody tr th td strong span code pre p br ul li details summary time"
ATTRIBUTES = {"class", "scope", "style", "aria-hidden", "datetime", "title", "tabindex"}


@given(st.text() | st.sampled_from(HOSTILE))
def test_nothing_a_user_wrote_opens_a_tag_or_upsets_a_line(words):
    value = ValueFace(words, words, words, facts=words)
    frames = (FrameFace(words, ((1, words),), 1),)
    broken = StageFace(words, "failed", None, 1.0, value, words, frames, change=words)
    preview = PreviewFace(words, value, (StageFace(words, "ok", value, 1.0), broken, StageFace(words, "not run")))
    rows = [
        replace_row(SECOND, reference=words, aliases=(words,), runner=words, tags={words: words}, description=words)
    ]
    plain = dict.fromkeys(("reference", "runner", "model", "description", "python", "source"), words)
    listed = dict.fromkeys(("aliases", "env", "reads", "unwritten"), (words,))
    capture = CaptureFace(words, words, 1 << 20, words, words, (words,), words)
    needed = {"requirements": ((words, words),), "modules": ((words, 1),), "captures": (capture,)}
    more = {"artifacts": ((words, 1),), "signature": (("input", words),)}
    check = CheckFace(False, 1, (words,), 1.0, words)
    version = replace(VERSION, tags={words: words}, check=check, **plain, **listed, **needed, **more)
    pairs = {"reads": ((words, words),), "problems": ((words, words),), "remarks": (words,)}
    belongings = replace(BELONGINGS, runner=words, **needed, **pairs)
    extended = html.extended(preview_html(preview), takes_along_html(belongings))
    faces = (extended, versions_html(words, rows), version_html(version), belongings_html(belongings))
    for source in (*faces, check_html(words, check), previews_html(words, [preview, preview])):
        page = Page(source.encode().decode())
        assert {tag for tag, _ in page.tags} <= set(TAGS_OF_OURS.split())
        assert {name for _, attrs in page.tags for name in attrs} <= ATTRIBUTES
    texts = (belongings_text(belongings), *takes_along_lines(belongings), check_text(words, check))
    for text in (
        preview_text(preview),
        previews_text(words, [preview]),
        versions_text(words, rows),
        version_text(version),
        *texts,
    ):
        assert all(sign.isprintable() or sign == "\n" for sign in text.encode().decode() if sign.isascii())
    assert len(versions_text(words, rows).split("\n")) == 3


def test_sizes_and_durations_as_people_read_them():
    sizes = [0, 999, 1000, 12_340, 999_999, 1_500_000_000, 3 * 10**15]
    assert [*map(size_words, sizes)] == ["0 B", "999 B", "1.0 KB", "12.3 KB", "1.0 MB", "1.5 GB", "3000 TB"]
    times = [0, 320e-6, 0.9999e-3, 1.24e-3, 0.32, 2.4, 59.7, 185]
    said = ["under 1 µs", "320 µs", "1.0 ms", "1.2 ms", "320 ms", "2.4 s", "1 min 0 s", "3 min 5 s"]
    assert [*map(duration_words, times)] == said
