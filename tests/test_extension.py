"""The extension on a real shell: it comes, goes, and comes again; and the pages that its magics' help shows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

import vessl_nb as vessl
from vessl_nb.notebook.magics import VesslMagics
from vessl_nb.registry.listing import VersionsTable

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

MAGICS = {
    "vessl_runner", "vessl_preview", "vessl_captures", "vessl_register", "vessl_check", "vessl_versions", "vessl_load",
    "vessl_alias", "vessl_serve", "vessl_stop",
}  # fmt: skip


def loaded_parts(shell: InteractiveShell) -> list[int]:
    kinds = shell.magics_manager.magics
    return [
        len({*kinds["line"], *kinds["cell"]} & MAGICS),
        sum(getattr(m, "matcher_identifier", "") == "vessl_nb" for m in shell.Completer.custom_matchers),
        sum(isinstance(part, VesslMagics) for part in shell.configurables),
        sum("VesslMagics" in name for name in shell.magics_manager.registry),
    ]


class TestExtension:
    def test_loading_twice_is_harmless_and_unloading_takes_everything_away(self, bare):
        assert loaded_parts(bare.shell) == [0, 0, 0, 0]
        for _ in range(3):
            vessl.load_ipython_extension(bare.shell)
        bare("%load_ext vessl_nb\n%load_ext vessl_nb")
        assert loaded_parts(bare.shell) == [len(MAGICS), 1, 1, 1]
        bare("%unload_ext vessl_nb")
        assert loaded_parts(bare.shell) == [0, 0, 0, 0]
        assert "not found" in bare.run("%vessl_versions").text
        assert not any("iris" in text or "--" in text[2:] for text in bare.complete("%vessl_register --mo"))

    def test_unloading_what_is_not_loaded_is_harmless(self, bare):
        vessl.unload_ipython_extension(bare.shell)
        assert loaded_parts(bare.shell) == [0, 0, 0, 0]

    def test_loading_again_gives_the_magics_back(self, bare):
        bare("%load_ext vessl_nb\n%unload_ext vessl_nb\n%load_ext vessl_nb\n%reload_ext vessl_nb")
        assert loaded_parts(bare.shell) == [len(MAGICS), 1, 1, 1]
        assert isinstance(bare("%vessl_versions"), VersionsTable)

    def test_it_leaves_the_notebooks_variables_alone(self, bare):
        before = set(bare.variables)
        vessl.load_ipython_extension(bare.shell)
        assert set(bare.variables) == before


@pytest.mark.parametrize("magic", sorted(MAGICS))
class TestHelp:
    @pytest.fixture
    def page(self, notebook, magic):
        return notebook.run(f"%{magic}?").text.partition("Docstring:\n")[2].partition("\nFile:")[0]

    def test_a_page_begins_with_what_the_magic_does_and_an_example(self, page, magic):
        summary, example, *_ = page.split("\n\n")
        assert summary.endswith(".")
        assert len(summary.splitlines()) == 1
        assert all(line.startswith("    ") for line in example.splitlines())
        assert re.search(rf"^    ([a-z]+ = )?%%?{magic}\b", example)

    def test_a_page_says_what_is_returned_and_lists_every_option_with_what_it_takes(self, page, magic, notebook):
        assert "\n\nReturns " in page
        for action in notebook.shell.find_line_magic(magic).parser._actions:
            names = ", ".join(sorted(action.option_strings, key=lambda name: name.startswith("--")))
            takes = action.dest.upper() if not names else "" if action.nargs == 0 else action.metavar
            assert f"\n  {' '.join(filter(None, [names, takes]))}" in page
            assert action.help.split()[0] in page

    def test_a_page_is_plain_text_of_a_terminals_width(self, page, magic):
        assert not {"::", "``", "usage:", "positional"} & {*page.split(), page[:2]}
        assert "``" not in page
        assert max(map(len, page.splitlines())) <= 80
