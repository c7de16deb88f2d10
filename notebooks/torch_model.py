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
# # A network written in a cell
#
# A small convolutional network learns scikit-learn's digits and is registered without a file of code. Then one layer
# of it is trained further, and the second version stores only what changed.

# %%
# %load_ext vessl_nb
import vessl_nb as vessl

# %%
import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

torch.manual_seed(0)  # with one thread: the same weights on every run
torch.set_num_threads(1)


class DigitNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 64, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(64, 128, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Dropout(0.3),
        )
        self.head = nn.Linear(128 * 2 * 2, 10)

    def forward(self, images):
        return self.head(self.features(images))


# %% [markdown]
# ## Train

# %%
digits = load_digits()
images_train, images_test, y_train, y_test = train_test_split(digits.images, digits.target, random_state=0)


def to_tensor(images):
    return torch.as_tensor(images, dtype=torch.float32).reshape(-1, 1, 8, 8) / 16


def train(parameters, epochs):
    optimizer = torch.optim.Adam(parameters, lr=0.004)
    x, y = to_tensor(images_train), torch.as_tensor(y_train)
    for _ in range(epochs):
        for batch in torch.randperm(len(x)).split(64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(x[batch]), y[batch]).backward()
            optimizer.step()


net = DigitNet()
train(net.parameters(), epochs=4)

# %% [markdown]
# ## Register
#
# `register_torch_model` needs no runner: the prediction is `net(data)`, in eval mode and without gradients. What stands
# before and after it are two functions. The sample goes through all of it before anything is registered, and is kept as
# the version's example.


# %%
def to_answer(logits):
    probabilities = logits.softmax(1)[0]
    digit = int(probabilities.argmax())
    return {"digit": digit, "probability": round(float(probabilities[digit]), 2)}


first = vessl.register_torch_model(
    "digit_net", None, net, to_tensor, to_answer, sample=images_test[2], aliases=["champion"]
)
first

# %% [markdown]
# The network that was registered is still in training mode, dropout included: registering leaves it exactly as it was.

# %%
net.training, net.features[7].training

# %% [markdown]
# ## Load
#
# The loaded network runs in eval mode. Its class came with it: any Python process that has torch can load it, without
# this notebook.

# %%
model = vessl.load("digit_net:champion")
model.run(images_test[2])

# %%
model.model.training, type(model.model) is DigitNet

# %%
accuracy = np.mean([model.run(image)["digit"] == digit for image, digit in zip(images_test, y_test)])
print("More than nine in ten test images are read right:", accuracy > 0.9)

# %% [markdown]
# ## Weights are stored once
#
# Now only the last layer learns on. The second version holds the whole network as well, but writes only what no version
# had before: the weights of the convolutions, which are most of the bytes, are there already. (The table's last column
# says how much was written.)

# %%
train(net.head.parameters(), epochs=2)
second = vessl.register_torch_model("digit_net", None, net, to_tensor, to_answer, sample=images_test[2])
print("The second wrote less than a fifth of the first:", second.added < first.added / 5)

# %%
# %vessl_versions digit_net
