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
# # A registered version answers requests
#
# Registering exists for serving. Here a version is served by one line, asked over HTTP, and replaced while it runs by a
# better one, without losing a request.

# %%
# %load_ext vessl_nb
import json
import urllib.request

import numpy as np
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import vessl_nb as vessl

wine = load_wine()
columns = ["alcohol", "malic_acid", "color_intensity", "proline"]
places = [wine.feature_names.index(column) for column in columns]
X, y = wine.data[:, places], wine.target

# %% [markdown]
# ## Register
#
# The sample becomes the version's example: the server answers it before it takes requests, and its documentation shows it.

# %%
# %%vessl_runner --model clf --sample '{"alcohol": 13.2, "malic_acid": 1.8, "color_intensity": 4.4, "proline": 1050}'
clf = make_pipeline(StandardScaler(), LogisticRegression()).fit(X[::2], y[::2])


class Cultivar(vessl.RunnerBase):
    @staticmethod
    def preprocess_data(data):
        return np.array([[data[column] for column in columns]], dtype=float)

    @staticmethod
    def predict(model, data):
        return model.predict_proba(data)[0]

    @staticmethod
    def postprocess_data(data):
        return {"cultivar": int(data.argmax()), "confidence": round(float(data.max()), 3)}


# %%
# %vessl_register wine --alias champion;

# %% [markdown]
# ## Serve
#
# `%vessl_serve` starts processes of their own, which load the version from the registry; they end with this kernel. The
# panel shows the address, how to ask it from elsewhere, and a form to try it.

# %%
# server = %vessl_serve wine:champion --port 0
server

# %% [markdown]
# Anything that speaks HTTP can ask. `server.predict` is a shorthand for the same request.

# %%
glass = {"alcohol": 12.1, "malic_acid": 2.1, "color_intensity": 2.8, "proline": 480}
request = urllib.request.Request(
    f"{server.url}/predict", json.dumps(glass).encode(), {"content-type": "application/json"}
)
with urllib.request.urlopen(request) as response:
    print(response.headers["vessl-version"], response.read().decode())

server.predict(glass)

# %% [markdown]
# A request that does not fit is told why, field by field, before any of the runner's code sees it. What fits is shown by
# the server's own page, `/docs`.

# %%
try:
    server.predict({"alcohol": "strong", "malic_acid": 2.1, "color_intensity": 2.8})
except vessl.VesslError as error:
    print(error)

# %% [markdown]
# ## Replace it while it runs
#
# A server of an alias follows it. Trained on everything, the model is registered anew, and the alias moves to it. The
# server loads the new version beside the old, lets it answer its example, and only then switches over.

# %%
former = server.metadata()["version"]["reference"]
clf = make_pipeline(StandardScaler(), LogisticRegression(C=3)).fit(X, y)
# %vessl_register wine --alias champion;

# %%
answers = []
while server.metadata()["version"]["reference"] == former:
    answers.append(server.predict(glass)["cultivar"])
answers.append(server.predict(glass)["cultivar"])
set(answers), server.metadata()["version"]["reference"]

# %% [markdown]
# ## Stop
#
# What the server has accepted is answered first.

# %%
# %vessl_stop
