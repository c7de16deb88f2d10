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
# # Quickstart: a classifier of handwritten digits
#
# A model is trained, watched at work on one sample, registered, improved, and loaded again. The data are scikit-learn's
# digits: 1,797 grey images of 8 × 8 pixels, each pixel a number from 0 to 16.

# %%
# %load_ext vessl_nb
import vessl_nb as vessl

# %% [markdown]
# ## Train
#
# `as_rows` prepares the images for training. The runner below will use the same function, so that a request is prepared
# just as the training data was.

# %%
import numpy as np
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

BRIGHTEST = 16


def as_rows(images):
    images = np.asarray(images)
    return images.reshape(len(images), -1) / BRIGHTEST


digits = load_digits()
images_train, images_test, y_train, y_test = train_test_split(digits.images, digits.target, random_state=0)

clf = RandomForestClassifier(10, random_state=0).fit(as_rows(images_train), y_train)
accuracy = round(clf.score(as_rows(images_test), y_test), 2)
accuracy

# %% [markdown]
# ## Write the runner, and watch a sample pass
#
# A runner says what happens to a request: `preprocess_data`, then `predict`, then `postprocess_data`. `%%vessl_runner`
# runs the cell, marks its class as this notebook's runner, sends the sample through the three stages, and says what else
# of the notebook the runner takes along.


# %%
# %%vessl_runner --model clf --sample images_test[36]
class DigitRunner(vessl.RunnerBase):
    @staticmethod
    def preprocess_data(image):
        return as_rows([image])

    @staticmethod
    def predict(model, rows):
        return model.predict_proba(rows)

    @staticmethod
    def postprocess_data(probabilities):
        digit = probabilities[0].argmax()
        return {"digit": int(digit), "probability": round(float(probabilities[0, digit]), 2)}


# %% [markdown]
# ## Register
#
# The runner, the model and all that they use become a version of `digits`, in plain files on this machine. `as_rows` and
# `BRIGHTEST` were found in the runner's code and travel along; `runner.py`, below the report, is all of the code as one
# module. Before anything was registered, a clean Python process loaded the version and gave the same answer to the
# sample, which is kept as its example. `champion` is an alias: a name that can move.

# %%
# %vessl_register digits --tag accuracy={accuracy} --tag trees=10 --alias champion

# %% [markdown]
# ## A second version
#
# Ten times as many trees, and the same runner. (A `;` at the end keeps the report away.)

# %%
clf = RandomForestClassifier(100, random_state=0).fit(as_rows(images_train), y_train)
accuracy = round(clf.score(as_rows(images_test), y_test), 2)
# %vessl_register digits --tag accuracy={accuracy} --tag trees=100 --alias challenger;

# %%
# %vessl_versions digits

# %% [markdown]
# The challenger is better: it becomes the champion.

# %%
# %vessl_alias digits:challenger champion;
# %vessl_versions digits

# %% [markdown]
# ## Load
#
# Who asks for the champion now gets the new version: here, in another notebook, or in any other Python process.

# %%
# model = %vessl_load digits:champion
model.run(images_test[36])

# %% [markdown]
# The same in plain Python. Nested lists, as JSON brings them, do as well as an array.

# %%
vessl.load("digits:champion").run(images_test[2].tolist())

# %% [markdown]
# ## When a sample fails
#
# `%vessl_preview` sends another sample through the marked runner. This one has 28 × 28 pixels. The stage that fails is
# red, with the runner's own line and the value that went in.

# %% tags=["raises-exception"]
# %vessl_preview --sample np.eye(28)
