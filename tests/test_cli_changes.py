"""The commands that change the registry: what cannot be undone is asked for, and next steps are what a shell can do."""

from __future__ import annotations

import pytest
from shell_command import asked, fails, says

import vessl_nb as vessl
from vessl_nb.runner import TorchRunner


@pytest.fixture
def iris():
    """Register three versions of a runner that comes from a package."""
    for _ in range(3):
        vessl.register_model("iris", None, TorchRunner, "m")


def references():
    """Name what is there to be loaded; a purged number stays in the list, empty."""
    table = vessl.versions("iris")
    return list(table[table["runner"] != ""]["reference"])


class TestAlias:
    def test_it_points_at_a_version_and_moves(self, iris):
        assert says("alias", "iris:1", "champion") == "iris:1 is champion now.\n"
        assert says("alias", "iris:2", "champion") == "iris:2 is champion now.\n"
        assert vessl.load("iris:champion").version.number == 2
        assert says("alias", "iris:champion", "best") == "iris:2 is best now.\n"

    def test_a_number_is_no_alias(self, iris, snapshot):
        before = snapshot()
        assert fails("alias", "iris:1", "3") == [
            "'3' cannot be an alias: it would read as a version's number.",
            "Call it 'v3', say.",
        ]
        assert fails("alias", "iris:9", "champion")[0] == "iris has no model 9."
        assert snapshot() == before


@pytest.mark.parametrize(
    ("arguments", "unasked", "nothing"),
    [
        (["delete", "iris:2"], "Nobody is there to be asked whether iris:2 may go.", "Nothing was deleted."),
        (["purge", "iris:2"], "Nobody is there to be asked whether iris:2 may go for good.", "Nothing was removed."),
    ],
    ids=["delete", "purge"],
)
class TestWhatCannotBeUndone:
    def test_is_asked_for_at_a_terminal(self, iris, snapshot, arguments, unasked, nothing):
        before = snapshot()
        for answer in ("", "n", "what?", "\x04"):
            said = asked(*arguments, answer=answer)
            assert "iris:2" in said
            assert "This cannot be undone. [y/N]" in said
            assert said.endswith(f"{nothing}\n")
        assert snapshot() == before
        asked(*arguments, answer="y")
        assert references() == ["iris:3", "iris:1"]

    def test_needs_yes_where_nobody_can_be_asked(self, iris, snapshot, arguments, unasked, nothing):
        before = snapshot()
        assert fails(*arguments) == [unasked, "Add --yes."]
        assert snapshot() == before
        says(*arguments, "--yes")
        assert references() == ["iris:3", "iris:1"]

    def test_is_not_asked_for_where_yes_was_said(self, iris, arguments, unasked, nothing):
        assert "[y/N]" not in asked(*arguments, "--yes", answer="n")
        assert references() == ["iris:3", "iris:1"]

    def test_is_not_asked_for_what_does_not_exist(self, iris, arguments, unasked, nothing):
        assert fails(arguments[0], "iris:9")[0] == "iris has no model 9."
        assert fails(arguments[0], "irsi:1")[1] == "Did you mean 'iris'?"


def test_deleting_says_how_much_goes(iris):
    vessl.register_model("iris", 2, TorchRunner, "m")
    assert "Delete iris:2, with its 2 revisions and aliases?" in asked("delete", "iris:2", answer="n")


def test_deleting_takes_a_whole_number(iris):
    assert fails("delete", "iris", "--yes")[1] == "Write it as 'iris:3', or purge one revision."


def test_archiving_is_taken_back(iris):
    assert says("archive", "iris:3") == "iris:3 is archived; --undo takes it back.\n"
    assert vessl.load("iris").version.number == 2
    assert says("archive", "iris:3", "--undo") == "iris:3 is back.\n"
    assert vessl.load("iris").version.number == 3


def test_next_steps_are_what_a_shell_can_do():
    vessl.register_model("iris", None, TorchRunner, "m")
    vessl.archive("iris:1")
    assert fails("show", "iris")[1].endswith("or take it back: vessl-nb archive iris:1 --undo")
    vessl.create_model("files")
    assert fails("show", "files:1")[1] == "Register one: %vessl_register files:1"
    assert fails("check", "iris:1")[1] == "Register it with a sample: %vessl_register --sample EXPR"
