"""The controls of a register form, each with its title, which screen readers read out as its label."""

from __future__ import annotations

from typing import Any

import ipywidgets as widgets  # type: ignore[import-untyped]  # it ships no types

_STYLE = {"description_width": "112px"}


def control(kind: type[Any], title: str, **settings: Any) -> Any:
    """Make a control with its title beside it, as wide as its form."""
    return kind(description=title, style=_STYLE, layout=widgets.Layout(width="auto"), **settings)


def close_tree(widget: widgets.Widget) -> None:
    """Take away a widget and all that it is made of: a box leaves its children, their layouts and styles behind."""
    for name in widget.keys:
        value = getattr(widget, name)
        for part in value if isinstance(value, list | tuple) else [value]:
            if isinstance(part, widgets.Widget):
                close_tree(part)
    widget.close()


def make_controls() -> dict[str, Any]:
    """Make the controls, by the name of what they are read into; artifacts have rows of their own."""
    return {
        "repository": control(widgets.Combobox, "Repository", placeholder="iris", ensure_option=False),
        "number": control(widgets.Combobox, "Number", placeholder="a new one; or one to overwrite"),
        "runner": control(widgets.Dropdown, "Runner", options=()),
        "model": control(widgets.Combobox, "Model", placeholder="a variable, or an expression"),
        "samples": control(widgets.Textarea, "Samples", placeholder='{"x": [1, 2]}   one a line', rows=2),
        "tags": control(widgets.Text, "Tags", placeholder="accuracy=0.97 note='two words'"),
        "aliases": control(widgets.Text, "Aliases", placeholder="champion"),
        "description": control(widgets.Text, "Description", placeholder="what it is, in words"),
        "requirements": control(widgets.Textarea, "Requirements", placeholder="numpy>=2   one a line", rows=2),
        "env": control(widgets.Text, "Environment", placeholder="names only: API_KEY"),
        "check": widgets.Checkbox(description="Try the samples in a clean process first", indent=False),
        "store_examples": widgets.Checkbox(description="Keep the samples as examples", indent=False),
    }
