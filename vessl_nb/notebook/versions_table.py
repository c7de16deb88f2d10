"""The live table of versions.

The front end draws one page, and asks; everything else is done here. It sends ``{"do": "query", ...}``, ``select``,
``alias``, ``archive`` or ``unarchive``, and, with the name of its view, ``hello`` again and again, and ``bye``. What it
shows comes as two traits, `page` and `said`, and what is opened below the table as a message, since a widget's state
travels with a saved notebook.
"""

from __future__ import annotations

import operator
import threading
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from vessl_nb.errors import VesslError
from vessl_nb.faces.versions import versions_html, versions_text
from vessl_nb.faces.words import counted, one_line
from vessl_nb.notebook.live import Attempts, error_words, show_live
from vessl_nb.notebook.static_files import read_static
from vessl_nb.notebook.versions_code import loading_code
from vessl_nb.notebook.versions_details import comparison_html, details_html
from vessl_nb.notebook.versions_history import History
from vessl_nb.notebook.versions_page import columns_of, page_of, tags_shown
from vessl_nb.notebook.versions_query import Query, Rows
from vessl_nb.notebook.versions_watch import Views, Watch
from vessl_nb.registry.listing import version_rows, versions
from vessl_nb.registry.models import archive, set_alias, unarchive
from vessl_nb.registry.names import parse_reference
from vessl_nb.registry.registry import open_registry
from vessl_nb.registry.version import Version, find_version

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

_MOST_SELECTED = 2
_MOST_NAMED = 3


def versions_table(repository: str | None = None) -> VersionsTable:
    """Show the versions of a repository, or of all, in a table that stays up to date.

    Parameters
    ----------
    repository
        Such as ``iris`` or ``org/iris``; None for all of them.

    Returns
    -------
    VersionsTable
        The table, for a notebook to show; its ``selected`` names what is selected in it.

    Raises
    ------
    NotFound
        There is no such repository; the nearest is named.
    """
    return VersionsTable(repository)


class VersionsTable(anywidget.AnyWidget):
    """The versions of a repository, or of all, in a notebook: sorted, searched, opened, compared, kept up to date.

    Parameters
    ----------
    repository
        As `versions_table` takes it.

    Attributes
    ----------
    page
        What the front end shows: one page of the table.
    said
        The last thing said below it, in words, with what can be undone.
    standing
        What its output in a notebook names it by: the front end finds the cell it stands below with it.
    """

    _esm = read_static("elements.js", "versions_table.js")
    _css = read_static("versions_table.css")

    page = traitlets.Dict().tag(sync=True)
    said = traitlets.Dict().tag(sync=True)
    standing = traitlets.Unicode().tag(sync=True)

    def __init__(self, repository: str | None = None) -> None:
        self._watch = Watch(self._look_if_seen)  # first: what could not be made is closed as well
        self._repository = repository
        self._rows = Rows(list(version_rows(repository)))
        self._query = Query()
        self._columns: list[dict[str, Any]] = []
        self._columns_are_of: tuple[Rows, tuple[str, ...]] | None = None
        self._selected: tuple[str, ...] = ()
        self._fresh: set[str] = set()
        self._views = Views()
        self._panel: dict[str, Any] = {}
        self._states = self._read_states()
        self._trouble = ""
        self._histories: dict[str, History] = {}
        # The watch has a thread of its own, and ipykernel may run callbacks beside a cell.
        self._lock = threading.RLock()
        self._attempts = Attempts(self._say_error)
        super().__init__()
        self.standing = self.model_id or ""
        self.on_msg(self._on_message)
        self._show_page()

    @property
    def title(self) -> str:
        """What is listed."""
        return self._repository or "All model repositories"

    @property
    def selected(self) -> tuple[str, ...]:
        """The references of the versions that are selected: none, one or two, in the order of their selection."""
        return self._selected

    @property
    def frame(self) -> pd.DataFrame:
        """The versions as a DataFrame, read anew."""
        return versions(self._repository)

    @property
    def errors(self) -> list[Exception]:
        """What actions raised, oldest first."""
        return self._attempts.errors

    def __len__(self) -> int:
        return len(self._rows.rows)

    def __bool__(self) -> bool:
        return True  # a widget without rows is a widget

    def __repr__(self) -> str:
        return versions_text(self.title, self._rows.rows)

    def _repr_mimebundle_(self, **_: object) -> tuple[dict[str, str], dict[str, str]]:
        return show_live(self, repr(self), versions_html(self.title, self._rows.rows)), {}

    def close(self) -> None:
        """Take the table away, and look for news no more."""
        self._watch.stop()
        super().close()

    def refresh(self) -> None:
        """Read the versions anew; what is selected stays selected, where it is still there."""
        with self._lock:
            self._say(self._read_anew())

    def _read_anew(self) -> str:
        """Read and show the versions anew, and give what changed, in words."""
        self._states = self._read_states()
        before, self._rows = self._rows, Rows(list(version_rows(self._repository)))
        came = [key for key in self._rows.by_key if key not in before.by_key]
        self._fresh = set(came) or self._fresh & self._rows.by_key.keys()
        self._selected = tuple(key for key in self._selected if key in self._rows.by_key)
        self._show_page()
        self._show_panel()
        return _news(came, before, self._rows)

    def _look_if_seen(self) -> None:
        """Look for news, as long as anybody sees the table; the watch calls this."""
        with self._lock:
            self._views.drop_silent()
            if not self._views:
                self._watch.stop()
                return
        self._look()

    def _look(self) -> None:
        """Look whether anything happened, and show it."""
        with self._lock:
            try:
                states = self._read_states()
                if not all(map(operator.is_, states, self._states)) or len(states) != len(self._states):
                    self.refresh()
                self._trouble = ""
            except Exception as error:  # whatever it is, it would end the watch unseen
                # It may last; it is said once.
                if self._trouble != (words := error_words(error)):
                    self._trouble = words
                    with self._attempts.attempt():
                        raise

    def _read_states(self) -> Sequence[object]:
        """Give the repositories; one that nothing happened to is the same object as before."""
        registry = open_registry()
        if self._repository is None:
            return registry.repositories()
        reference = parse_reference(self._repository)
        return [registry.repository(reference.organization, reference.repository)]

    def _on_message(self, _: object, content: dict[str, Any], __: object) -> None:
        """Do what a front end asks for, and answer when it is done."""
        actions: dict[str, Callable[[dict[str, Any]], None]] = {
            "hello": self._greet,
            "bye": self._take_leave,
            "query": self._ask,
            "select": self._select,
            "alias": self._set_alias,
            "archive": self._archive,
            "unarchive": self._unarchive,
        }
        with self._attempts.attempt(), self._lock:
            actions[content["do"]](content)
        self.send({"done": content.get("do")})

    def _greet(self, content: dict[str, Any]) -> None:
        if self._views.greet(str(content["view"])) and self._panel:
            self.send({"panel": self._panel})
        self._watch.start()

    def _take_leave(self, content: dict[str, Any]) -> None:
        self._views.leave(str(content["view"]))
        if not self._views:
            self._watch.stop()

    def _ask(self, content: dict[str, Any]) -> None:
        self._query = Query.of(content, self._query)
        self._show_page()

    def _select(self, content: dict[str, Any]) -> None:
        keys = [str(key) for key in content["keys"]]
        self._selected = tuple(key for key in dict.fromkeys(keys) if key in self._rows.by_key)[-_MOST_SELECTED:]
        self._show_page()
        self._show_panel()

    def _set_alias(self, content: dict[str, Any]) -> None:
        version = set_alias(content["key"], content["alias"])
        self._read_anew()
        self._say(f"{content['alias']} now points at {version.reference}.")

    def _archive(self, content: dict[str, Any]) -> None:
        archive(content["key"])
        self._read_anew()
        self._say(f"{content['key']} is archived.", undo=content["key"])

    def _unarchive(self, content: dict[str, Any]) -> None:
        unarchive(content["key"])
        self._read_anew()
        self._say(f"{content['key']} is taken back from the archive.")

    def _show_page(self) -> None:
        found = self._rows.find(self._query)
        tags = tags_shown(self._rows, self._query)
        if self._columns_are_of != (self._rows, tags):
            self._columns_are_of, self._columns = (self._rows, tags), columns_of(self._rows, tags)
        page = page_of(self.title, self._rows, found, self._query, self._columns, self._fresh)
        self._query = Query.of({"page": page["page"]}, self._query)  # a page that is no more is the last one
        self.page = {**page, "selected": list(self._selected)}

    def _show_panel(self) -> None:
        """Open what is selected below the table: one version in full, two compared, or nothing."""
        panel: dict[str, Any] = {"keys": list(self._selected)}
        try:
            found = sorted((find_version(key) for key in self._selected), key=_age)
            if len(found) == _MOST_SELECTED:
                names = " and ".join(version.reference for version in found)
                panel |= {"title": one_line(names, 240), "html": comparison_html(*found)}
            elif found:
                row = self._rows.by_key[self._selected[0]]
                panel |= {
                    "title": one_line(found[0].reference, 120),
                    "html": details_html(found[0], self._history_of(found[0])),
                    "code": loading_code(found[0].reference),
                    "archived": row.archived,
                }
        except VesslError as error:  # a version of files only, or a damaged one: said where it would be shown
            panel |= {"title": " and ".join(self._selected), "error": str(error)}
        if panel != self._panel:
            self._panel = panel
            self.send({"panel": panel})

    def _history_of(self, version: Version) -> Sequence[Any]:
        stream = f"{version.organization_name}/{version.repository_name}"
        name = version.reference.partition(":")[0]
        history = self._histories.setdefault(stream, History(open_registry(), stream, name))
        return history.of(version.number)

    def _say(self, text: str, *, undo: str = "", failed: bool = False) -> None:
        if text:
            # Counted, so that what is said a second time is said.
            count = self.said.get("count", 0) + 1
            self.said = {"count": count, "text": text, "undo": undo, "failed": failed}

    def _say_error(self, words: str) -> None:
        self._say(words, failed=True)


def _age(version: Version) -> tuple[Any, ...]:
    return (version.created, version.number, version.revision)


def _news(came: Sequence[str], before: Rows, after: Rows) -> str:
    """Say what changed between two looks; nothing where nothing did."""
    if came:
        more = f" and {len(came) - _MOST_NAMED:,} more" if len(came) > _MOST_NAMED else ""
        return f"{counted(len(came), 'new version')}: {', '.join(came[:_MOST_NAMED])}{more}."
    if gone := [key for key in before.by_key if key not in after.by_key]:
        return f"{', '.join(gone[:_MOST_NAMED])} {'is' if len(gone) == 1 else 'are'} not there any more."
    changed = [key for key, row in after.by_key.items() if row != before.by_key[key]]
    return f"{', '.join(changed[:_MOST_NAMED])} changed." if changed else ""
