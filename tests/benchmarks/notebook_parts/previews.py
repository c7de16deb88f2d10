# ruff: noqa: F821  # a cell of a notebook, where get_ipython is at hand
"""What previews add, measured inside a kernel: previewing and showing, above what the stages took in the same run.

The bare stages take turns with it. A runner that only passes on has its one value summarised four times over, which is the most there is.
"""

import gc
import io
import json
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image

import vessl_nb as vessl

REPEATS = 9
HUNDRED_MILLION = 10**8


class Small(vessl.RunnerBase):
    """Of small dicts."""

    @staticmethod
    def preprocess_data(data):
        return np.asarray(data["x"])[None]

    @staticmethod
    def predict(model, data):
        shares = np.exp(data[0][:3])
        return shares / shares.sum()

    @staticmethod
    def postprocess_data(data):
        return {"species": ["setosa", "versicolor", "virginica"][int(data.argmax())], "share": float(data.max())}


class Passing(vessl.RunnerBase):
    """Each stage gives on what it was given."""

    @staticmethod
    def preprocess_data(data):
        return data

    @staticmethod
    def predict(model, data):
        return data

    @staticmethod
    def postprocess_data(data):
        return data


class Photograph(vessl.RunnerBase):
    """Of a file's bytes: an image, a tensor of it, the shares of a thousand classes."""

    @staticmethod
    def preprocess_data(data):
        small = Image.open(io.BytesIO(data)).resize((224, 224))
        return torch.from_numpy(np.asarray(small) / 255).permute(2, 0, 1)[None].float()

    @staticmethod
    def predict(model, data):
        return torch.softmax(data[0, 0].reshape(-1)[:1000], 0)

    @staticmethod
    def postprocess_data(data):
        return {str(place): float(data[place]) for place in data.topk(5).indices}


def photograph(width, height):
    across, down = np.arange(width) / width, np.arange(height)[:, None] / height
    waves = [np.sin(across * (9 + 7 * band) + down * (5 + 11 * band)) * 90 + 128 for band in range(3)]
    pixels = np.stack(waves, axis=-1) + np.random.default_rng(0).normal(0, 4, (height, width, 3))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def file_of(image, kind):
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


def frame():
    rows, random = 10**6, np.random.default_rng(0)
    columns = {f"column {number}": random.random(rows) for number in range(12)}
    return pd.DataFrame(
        {**columns, "word": pd.Series(["word"] * rows), "kind": pd.Categorical(["a", "b"] * (rows // 2))}
    )


def nested():
    item = {"tags": ["a", "b"], "at": {"x": 1.0, "y": 2.0}, "name": "text", "more": [{"deep": [1, [2, [3]]]}]}
    return {"items": [{"id": number, **item} for number in range(10**5 // 16)]}


def holed(array):
    array[::7] = np.nan
    return array


def array(dtype=np.float32):
    return np.ones(HUNDRED_MILLION, dtype)


def small(number):
    return {"x": [5.1 + number, 3.5, 1.4, 0.2]}


def square(number):
    return np.random.default_rng(number).random((224, 224, 3))


WORKS = {
    "small": (Small, lambda: small(0)),
    "frame": (Passing, frame),
    "array": (Passing, array),
    "array_nan": (Passing, lambda: holed(array())),
    "array_half": (Passing, lambda: array(np.float16)),
    "array_strided": (Passing, lambda: array().reshape(10_000, 10_000)[::2, ::3]),
    "tensor": (Passing, lambda: torch.ones(HUNDRED_MILLION)),
    "tensor_nan": (Passing, lambda: torch.from_numpy(holed(array()))),
    "tensor_half": (Passing, lambda: torch.ones(HUNDRED_MILLION, dtype=torch.float16)),
    "tensor_strided": (Passing, lambda: torch.ones(10_000, 10_000)[::2, ::3]),
    "tensor_conjugate": (Passing, lambda: torch.view_as_complex(torch.ones(HUNDRED_MILLION // 2, 2)).conj()),
    "square": (Passing, lambda: square(0)),
    "jpeg": (Photograph, lambda: file_of(photograph(1600, 1200), "JPEG")),
    "jpeg_large": (Photograph, lambda: file_of(photograph(4000, 3000), "JPEG")),
    "png": (Photograph, lambda: file_of(photograph(800, 600), "PNG")),
    "image": (Passing, lambda: photograph(1600, 1200)),
    "nested": (Passing, nested),
    "samples": (Small, lambda: [small(number) for number in range(20)]),
    "samples_square": (Passing, lambda: [square(number) for number in range(20)]),
}
"""By the figure's name: the runner, and what makes its sample, or its samples where the name says so."""


def measure(name):
    runner, make = WORKS[name]
    made = make()
    samples = made if name.startswith("samples") else [made]
    given = {"samples": samples} if name.startswith("samples") else {"sample": made}
    bare, added, processor = [], [], []
    gc.collect()
    start_peak()
    before = memory("VmRSS")
    for _ in range(REPEATS):
        began, began_working = time.perf_counter(), time.process_time()
        for sample in samples:
            runner.postprocess_data(runner.predict(None, runner.preprocess_data(sample)))
        bare.append(time.perf_counter() - began)
        worked = time.process_time() - began_working
        shown, data, seconds, working = watch(lambda: vessl.preview(runner, **given))
        assert shown.error is None
        previews = shown if name.startswith("samples") else [shown]
        # The stages' own time of this very run: of another run it would not be the same.
        added.append(seconds - sum(stage.seconds for preview in previews for stage in preview.stages))
        processor.append(working - worked)
        del shown, previews
    figures = {name: added, f"{name}_processor": processor, f"{name}_bare": bare}
    figures[f"{name}_html"] = [len(data["text/html"].encode())]
    return figures | ({f"{name}_memory": [max(memory("VmHWM") - before, 0)]} if before else {})


def watch(work):
    """Do a work and show what it gives; tells both, and how long it took, on the clock and of the processor."""
    began, began_working = time.perf_counter(), time.process_time()
    shown = work()
    data, _ = get_ipython().display_formatter.format(shown)
    return shown, data, time.perf_counter() - began, time.process_time() - began_working


def measure_magic(name):
    runner, make = WORKS[name]
    get_ipython().user_ns["made"] = make()
    line = f"--runner {runner.__name__} --sample made"
    added, processor = [], []
    for _ in range(REPEATS):
        shown, data, seconds, working = watch(lambda: get_ipython().run_line_magic("vessl_preview", line))
        added.append(seconds - sum(stage.seconds for stage in shown.stages))
        processor.append(working)
    name = f"magic_{name}"
    return {name: added, f"{name}_processor": processor, f"{name}_html": [len(data["text/html"].encode())]}


def start_peak():
    file = Path("/proc/self/clear_refs")
    if file.exists():
        file.write_text("5")


def memory(figure):
    """Read a figure of this process's memory in bytes; 0 where the system does not tell."""
    file = Path("/proc/self/status")
    lines = file.read_text().splitlines() if file.exists() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{figure}:")), 0)


get_ipython().run_line_magic("load_ext", "vessl_nb")
figures = {}
for name in WORKS:
    figures |= measure(name)
for name in ("small", "frame", "tensor", "nested"):
    figures |= measure_magic(name)
print("figures:", json.dumps(figures))
