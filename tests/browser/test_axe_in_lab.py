"""Everything that vessl_nb shows, audited by axe-core: https://github.com/dequelabs/axe-core."""

from __future__ import annotations

import pytest
from axe import audit
from every_face import cells_for

FACES = {
    "a preview": ".vnb-strip .vnb-shares",
    "a failing preview": ".vnb-failed .vnb-pre",
    "several samples": ".vnb-samples",
    "what a runner takes along": ".vnb-facts .vnb-items .vnb-bad",
    "a version": ".vnb-source[open] .vnb-pre",
    "a check": ".vnb-report",
    "the table": ".vessl-versions [role=grid] tr[aria-selected=true]",
    "the table's details": ".vt-panel .vnb-facts",
    "the form": ".vnb-form .vnb-form-fields .vnb-bad",
}
OURS = (".jp-OutputArea-output .vessl-nb", ".vessl-versions", ".vnb-form")
LEAST_READ = 250


@pytest.fixture(scope="module")
def opened(open_notebook):
    """Open a page with everything on it in full: details open, a field of the form wrong."""
    opened = open_notebook("every_face", cells_for("axe"))
    opened.run_all()
    page = opened.page
    page.set_viewport_size({"width": 1400, "height": 9000})
    page.evaluate("window.jupyterapp.commands.execute('application:toggle-left-area')")
    page.locator(".vessl-versions tr[data-key='shapes:24']").click()
    page.locator(".vt-panel .vnb-facts").wait_for()
    form = page.locator(".jp-OutputArea .vnb-form")
    form.get_by_label("Aliases", exact=True).fill("champion 3")
    form.get_by_label("Aliases", exact=True).press("Tab")
    form.get_by_text("'3' cannot be an alias").wait_for()
    unfold(page)
    return opened


@pytest.fixture
def page(opened):
    return opened.page


def unfold(page):
    """Open all details, and show the notebook from its top."""
    page.evaluate("for (const fold of document.querySelectorAll('.jp-OutputArea details')) fold.open = true")
    page.evaluate("document.querySelector('.jp-WindowedPanel-outer').scrollTop = 0")


@pytest.fixture(params=["Light", "Dark"])
def theme(request, opened):
    opened.put_on(request.param)
    opened.page.wait_for_timeout(300)  # colours take their time
    return request.param


@pytest.mark.parametrize("face", FACES)
def test_every_face_is_on_the_page(page, face):
    assert page.locator(FACES[face]).first.is_visible()


@pytest.mark.parametrize("width", [1400, 380])
def test_no_face_stands_in_the_way_of_people_who_cannot_see_or_point(page, theme, width):
    page.set_viewport_size({"width": width + 100, "height": 9000})
    page.wait_for_timeout(300)
    unfold(page)
    found, readable = audit(page, *OURS)
    assert found == []
    assert readable > LEAST_READ


def test_nor_do_two_versions_compared(page, theme):
    if page.locator("tr[aria-selected=true]").count() < 2:
        page.locator("tr[data-key='shapes:23']").focus()
        page.keyboard.press("Space")
    page.locator(".vt-panel").get_by_text("compared with").wait_for()
    unfold(page)
    found, readable = audit(page, ".vessl-versions")
    assert found == []
    assert readable > 40
