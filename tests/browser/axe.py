"""What axe-core, which audits pages for people who cannot see or point, finds in what vessl_nb shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from axe_playwright_python.sync_playwright import Axe

if TYPE_CHECKING:
    from playwright.sync_api import Page

# JupyterLab's body is of no height and hides what overflows, so axe takes the whole page to be out of sight. And it does
# not look through the mask under which long lines of code fade out at their end.
_IN_SIGHT = "body { overflow: visible !important; } .vnb-pre { mask-image: none !important; }"
_GRAVE = {"serious", "critical"}
# Of a single sign, a select box with its arrow, and a line that is partly scrolled away it never tells whether it can be
# read.
_NEVER_TOLD = {"shortTextContent", "nonBmp", "bgImage", "elmPartiallyObscured"}


def audit(page: Page, *parts: str) -> tuple[list[str], int]:
    """Audit parts of a page.

    Parameters
    ----------
    page
        The page.
    parts
        Their selectors; parts of them that are hidden are not looked at.

    Returns
    -------
    list of str
        What is gravely wrong, and texts of which it cannot be told whether they can be read.
    int
        How many texts were found to stand out from what is behind them.
    """
    page.add_style_tag(content=_IN_SIGHT)
    context = {"include": [[part] for part in parts]}
    found = Axe().run(page, context=context, options={"resultTypes": ["violations", "incomplete", "passes"]}).response
    grave = [_words(rule, node) for rule in found["violations"] if rule["impact"] in _GRAVE for node in rule["nodes"]]
    untold = [
        _words(rule, node) for rule in _contrast(found["incomplete"]) for node in rule["nodes"] if _can_be_told(node)
    ]
    return grave + untold, sum(len(rule["nodes"]) for rule in _contrast(found["passes"]))


def _contrast(rules: list[dict]) -> list[dict]:
    return [rule for rule in rules if rule["id"] == "color-contrast"]


def _can_be_told(node: dict) -> bool:
    return node["any"][0]["data"]["messageKey"] not in _NEVER_TOLD


def _words(rule: dict, node: dict) -> str:
    why = "; ".join(check["message"] for check in [*node["any"], *node["all"], *node["none"]])
    return f"{rule['id']} ({rule['impact']}): {why}: {' '.join(map(str, node['target']))}: {node['html'][:120]}"
