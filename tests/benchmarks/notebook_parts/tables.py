# ruff: noqa: F821  # a cell of a notebook, where get_ipython is at hand
"""What the table and the form take, measured inside a kernel in which nothing was done yet."""

import json
import sys
import time

REPEATS = 9
WIDGETS = ("ipywidgets", "anywidget")
"""What no kernel imports before a widget is shown."""


def show(thing):
    return get_ipython().display_formatter.format(thing)[0]


def seconds(work):
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def states(*widgets):
    """List how long the states of widgets are, as they travel."""
    return [len(json.dumps(part.get_state(), default=lambda part: getattr(part, "model_id", ""))) for part in widgets]


figures = {"load_ext": [seconds(lambda: get_ipython().run_line_magic("load_ext", "vessl_nb"))]}

import vessl_nb as vessl  # noqa: E402  # the extension is what is measured first


class Nothing(vessl.RunnerBase):
    """Gives the model back."""

    @staticmethod
    def predict(model, data):
        return model


figures["preview_first"] = [seconds(lambda: show(vessl.preview(Nothing, 1)))]
show(get_ipython().run_line_magic("vessl_preview", "--runner Nothing --sample 1 --model 2"))
show(get_ipython().run_line_magic("vessl_captures", "--runner Nothing"))
figures["widgets_early"] = [sum(name in sys.modules for name in WIDGETS)]

vessl.register_model("small", None, Nothing, 1)
figures["table_import"] = [seconds(lambda: show(vessl.versions_table("small")))]
figures["table_cold"] = [seconds(lambda: show(vessl.versions_table("iris")))]
figures["table_warm"] = [seconds(lambda: show(vessl.versions_table("iris"))) for _ in range(REPEATS)]
table = vessl.versions_table("iris")
figures["table_html"] = [len(show(table)["text/html"].encode())]
figures["table_state"] = states(table)
figures["form"] = [seconds(lambda: show(vessl.register_form("iris", runner="Nothing", model="3")))]
instances = sys.modules["ipywidgets.widgets.widget"]._instances
before = set(instances)
form = vessl.register_form("iris", runner="Nothing", model="3")
figures["form_html"] = [len(form._repr_html_().encode())]
figures["form_state"] = [max(states(*(part for key, part in instances.items() if key not in before)))]
figures["captures_html"] = [len(show(vessl.captures(Nothing))["text/html"].encode())]
print("figures:", json.dumps(figures))
