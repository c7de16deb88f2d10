# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     notebook_metadata_filter: kernelspec,jupytext,-jupytext.text_representation.jupytext_version
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Models that save and load their own files
#
# A runner may write its model as files, with `save_model`, and read them again with `load_model`. Files from elsewhere
# come along as artifacts. Here a softmax regression of the iris data is trained in plain numpy: the runner saves its
# weights; its labels and its checkpoints are artifacts.

# %%
# %load_ext vessl_nb
import os
import tempfile
from pathlib import Path

import numpy as np
from sklearn.datasets import load_iris

import vessl_nb as vessl

os.chdir(tempfile.mkdtemp())  # what this notebook writes stays out of your folder

# %% [markdown]
# ## Train
#
# As training runs do, this one leaves files behind: checkpoints, and the labels.

# %%
iris = load_iris()
x = np.column_stack([iris.data[:, 2:], np.ones(150)])  # a petal's length, its width, and 1 for the bias
y = np.eye(3)[iris.target]


def softmax(scores):
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


Path("checkpoints").mkdir()
weights = np.zeros((3, 3))
for step in range(1, 3001):
    weights -= 0.1 * x.T @ (softmax(x @ weights) - y) / len(x)
    if step % 1000 == 0:
        np.save(f"checkpoints/step-{step}.npy", weights)

Path("labels.txt").write_text("setosa\nversicolour\nvirginica\n")
model = {"weights": weights, "labels": Path("labels.txt").read_text().split()}
sample = {"length": 4.9, "width": 1.5}

before = sorted(map(str, Path().rglob("*")))
before

# %% [markdown]
# ## Write the runner
#
# `save_model` starts in an empty folder, the version's *volume*; what it writes there is kept. The dictionary that it
# returns, the *props*, is handed to `load_model`, which runs in the volume too: relative paths are all it needs. Both say
# here what they see. `postprocess_data` is not written, so what `predict` returns is the answer.


# %%
# %%vessl_runner --model model --sample sample
class PetalRunner(vessl.RunnerBase):
    @staticmethod
    def save_model(model):
        print("save_model sees", os.listdir())
        np.save("weights.npy", model["weights"])
        return {"weights": "weights.npy"}

    @staticmethod
    def load_model(props, artifacts):
        print("load_model sees", sorted(os.listdir()), "and gets", props)
        return {"weights": np.load(props["weights"]), "labels": Path("labels.txt").read_text().split()}

    @staticmethod
    def preprocess_data(petal):
        return np.array([[petal["length"], petal["width"], 1]])

    @staticmethod
    def predict(model, row):
        probabilities = softmax(row @ model["weights"])[0]
        return dict(zip(model["labels"], probabilities.round(2).tolist()))


# %% [markdown]
# ## Register, with artifacts
#
# `artifacts` says which local file goes where in the volume. A `*` takes a folder's whole tree.

# %%
artifacts = {"labels.txt": "labels.txt", "checkpoints/*": "checkpoints/*"}
# version = %vessl_register petals --artifacts artifacts
version

# %% [markdown]
# This notebook's own folder is as it was: `weights.npy` is in the version's volume, not here.

# %%
sorted(map(str, Path().rglob("*"))) == before

# %% [markdown]
# ## Load

# %%
vessl.load(version.reference).run(sample)

# %% [markdown]
# ## Correct a version
#
# "versicolour" is to be spelled "versicolor". Given the number of a version, `register_model` writes a new revision of it.
# Files that are not given again stay: the checkpoints are still there.

# %%
Path("labels.txt").write_text("setosa\nversicolor\nvirginica\n")
artifacts = {"labels.txt": "labels.txt"}
corrected = vessl.register_model(
    "petals", version.number, PetalRunner, model, artifacts=artifacts, sample=sample, description="labels corrected"
)
vessl.load(f"petals:{version.number}").run(sample)

# %% [markdown]
# Nothing was overwritten: `@1` is the first revision, with its own labels.

# %%
vessl.load(f"petals:{version.number}@1").run(sample)

# %%
# %vessl_versions petals
