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
# # What ships with a runner
#
# A runner uses what stands elsewhere: in other cells, in a module beside the notebook, in a file. Here three things go
# wrong, as they do in real notebooks: a name exists nowhere, a whole table would travel by accident, and a file is read
# that only this folder has. Each is seen before anything is registered, and mended.

# %%
# %load_ext vessl_nb
import os
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import StandardScaler

import vessl_nb as vessl

os.chdir(tempfile.mkdtemp())  # what this notebook writes stays out of your folder

# %% [markdown]
# ## Train
#
# 20,000 flats that nobody ever lived in, and what they rent for. How a flat becomes a row is kept in a module of its own,
# `flats_table.py`, as one does when two notebooks need it.

# %%
# %%writefile flats_table.py
COLUMNS = ["area", "rooms", "kilometres"]


def as_row(flat):
    return [[float(flat[column]) for column in COLUMNS]]


# %%
from flats_table import COLUMNS, as_row

random = np.random.default_rng(0)
flats = pd.DataFrame(
    {
        "area": random.integers(25, 140, 20_000),
        "rooms": random.integers(1, 6, 20_000),
        "kilometres": random.integers(0, 30, 20_000),
    }
)
rent = 300 + 11 * flats["area"] + 40 * flats["rooms"] - 9 * flats["kilometres"]

scaler = StandardScaler().fit(flats[COLUMNS].to_numpy())
model = LinearRegression().fit(scaler.transform(flats[COLUMNS].to_numpy()), rent)

# %% [markdown]
# ## A runner that seems to work
#
# What a request does not say is taken from the flats' medians. The sample comes through all three stages.


# %%
CURRENCY = "EUR"


def complete(request):
    return {**flats.median().to_dict(), **request}


# %%
# %%vessl_runner --model model --sample '{"area": 60, "kilometres": 4}'
class RentRunner(vessl.RunnerBase):
    @staticmethod
    def preprocess_data(request):
        return scaler.transform(as_row(complete(request)))

    @staticmethod
    def predict(model, row):
        return model.predict(row)

    @staticmethod
    def postprocess_data(rents):
        rent = round(float(rents[0]))
        if rent > 1_500:
            return {"rent": rent, "currency": CURRENCY, "note": EXPENSIVE}
        return {"rent": rent, "currency": CURRENCY}


# %% [markdown]
# But below the stages stands what the runner takes along. The fitted scaler and the module are to travel. Two things are
# not as they should be:
#
# - `EXPENSIVE` exists nowhere. This sample does not come that way; the first expensive flat will.
# - `complete` mentions `flats`, so the whole table would travel, for the sake of its medians.
#
# While a name is missing, nothing is registered:

# %% tags=["raises-exception"]
# %vessl_register rents

# %% [markdown]
# ## Mend it
#
# The name is defined, and the medians are computed once, outside of the function. The runner's cell is run again, as it
# was.

# %%
EXPENSIVE = "Have you looked at other districts?"
medians = flats.median().to_dict()


def complete(request):
    return {**medians, **request}


# %%
# %%vessl_runner --model model --sample '{"area": 60, "kilometres": 4}'
class RentRunner(vessl.RunnerBase):
    @staticmethod
    def preprocess_data(request):
        return scaler.transform(as_row(complete(request)))

    @staticmethod
    def predict(model, row):
        return model.predict(row)

    @staticmethod
    def postprocess_data(rents):
        rent = round(float(rents[0]))
        if rent > 1_500:
            return {"rent": rent, "currency": CURRENCY, "note": EXPENSIVE}
        return {"rent": rent, "currency": CURRENCY}


# %% [markdown]
# The table stays here. `%vessl_captures` shows the rest in full: each name with the cell that defined it and who uses it,
# and each package with the reason why it is needed.

# %%
# %vessl_captures

# %% [markdown]
# ## Register: the check
#
# Before a version is committed, a new Python process loads it, in an empty folder and with no more packages than the
# version declares, and answers the sample. Its answer must be the one from here.

# %%
# version = %vessl_register rents
version

# %% [markdown]
# `runner.py` is the version's code as one module, to be read and reviewed. Values that have no source, such as the
# fitted scaler, are loaded from the version by their names. Under another minor version of Python this module is what
# runs; the check has tried it as well.

# %%
print(version.source)

# %% [markdown]
# ## What only a new process finds
#
# A second runner adds a surcharge for furnished flats, which it reads from a file. Nothing looks wrong, and the sample
# passes.

# %%
# %%writefile surcharge.txt
25


# %%
# %%vessl_runner --model model --sample '{"area": 60, "kilometres": 4}'
class FurnishedRunner(RentRunner):
    @staticmethod
    def postprocess_data(rents):
        surcharge = int(Path("surcharge.txt").read_text())
        return RentRunner.postprocess_data(rents + surcharge)


# %% [markdown]
# In the new process there is no such file, and nothing is registered.

# %% tags=["raises-exception"]
# %vessl_register furnished_rents

# %% [markdown]
# The error says how a file is taken along. This one holds a single number: read in a cell, it travels as a value.

# %%
surcharge = int(Path("surcharge.txt").read_text())


# %%
# %%vessl_runner --model model --sample '{"area": 60, "kilometres": 4}'
class FurnishedRunner(RentRunner):
    @staticmethod
    def postprocess_data(rents):
        return RentRunner.postprocess_data(rents + surcharge)


# %%
# %vessl_register furnished_rents

# %% [markdown]
# It can be checked again at any time, here or on another machine.

# %%
# %vessl_check furnished_rents
