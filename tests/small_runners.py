"""Runners for tests of servers, in a file of their own: it travels with them, and has nothing of a test in it."""

from __future__ import annotations

import os
import time

import vessl_nb as vessl


class Scale(vessl.RunnerBase):
    """Takes as many seconds as its first number says, where that is less than 5."""

    @staticmethod
    def preprocess_data(data):
        return data["x"]

    @staticmethod
    def predict(model, data):
        time.sleep(data[0] if data[0] < 5 else 0)
        return [model * value for value in data]


class Differs(vessl.RunnerBase):
    """Answers otherwise in each process."""

    @staticmethod
    def predict(model, data):
        return os.getpid()


class Adds(vessl.RunnerBase):
    @staticmethod
    def predict(model, data):
        return data + model


class Imports(vessl.RunnerBase):
    """Adds what a module of the model's name has as its AMOUNT."""

    @staticmethod
    def predict(model, data):
        return data + __import__(model).AMOUNT
