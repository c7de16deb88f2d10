"""What travels with the runner of a register form: names with sizes, packages with reasons, and what is wrong."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets  # type: ignore[import-untyped]  # it ships no types
from packaging.requirements import Requirement as Package
from packaging.utils import canonicalize_name

from vessl_nb.belongings import captures
from vessl_nb.faces.belongings import belongings_html, belongings_text
from vessl_nb.faces.html import dim
from vessl_nb.manifest import Requirement
from vessl_nb.notebook.form_shown import Shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vessl_nb.belongings import Captures
    from vessl_nb.errors import VesslError


class Travels(widgets.VBox):  # type: ignore[misc]  # as above
    """What the runner takes along, as `captures` lists it.

    Attributes
    ----------
    problems
        Why it could not be registered.
    """

    def __init__(self) -> None:
        self.problems: tuple[VesslError, ...] = ()
        self._shown = Shown()
        self._seen: tuple[Any, ...] = ()
        super().__init__([self._shown])
        self.add_class("vnb-form-travels")

    def show(self, runner: Any, model: Any, declared: Sequence[str], env: Sequence[str], *, anew: bool = False) -> None:
        """Show what travels; it is looked up again only where something else is asked for, or `anew`."""
        asked = (runner, model, tuple(declared), tuple(env))
        if not anew and _is_same(asked, self._seen):
            return
        self._seen = asked
        if runner is None:
            self.problems = ()
            self._shown.show(dim("What travels is shown here once there is a runner."))
            return
        found = with_declared(captures(runner, model), declared, env)
        self.problems = found.problems
        self._shown.show(belongings_html(found.face()), belongings_text(found.face()))


def _is_same(asked: tuple[Any, ...], seen: tuple[Any, ...]) -> bool:
    """Compare what was asked for: objects by identity, since a model may compare element by element."""
    return bool(seen) and asked[0] is seen[0] and asked[1] is seen[1] and asked[2:] == seen[2:]


def with_declared(found: Captures, declared: Sequence[str], env: Sequence[str]) -> Captures:
    """Give captures as they will be with what was declared: it wins over what would be inferred.

    Parameters
    ----------
    found
        What `captures` found.
    declared, env
        The requirements, and the names of environment variables, that were declared.
    """
    named = {canonicalize_name(Package(line).name) for line in declared}
    others = [needed for needed in found.requirements if canonicalize_name(Package(needed.line).name) not in named]
    settled = [f"{found.reads[name]} reads the environment variable {name}," for name in env if name in found.reads]
    return dataclasses.replace(
        found,
        requirements=(*(Requirement(line, "declared") for line in declared), *others),
        remarks=tuple(remark for remark in found.remarks if not remark.startswith(tuple(settled))),
    )
