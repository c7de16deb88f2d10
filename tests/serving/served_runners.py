"""Runners that are served in tests: a good one, one that does whatever it is told, and one for each kind of body."""

from __future__ import annotations

import io
from typing import Any

import pydantic
from PIL import Image

import vessl_nb as vessl


def make_adder(add: float = 0.0) -> type:
    """Make a runner whose input has a signature, and whose answers tell it from others of its kind."""

    class Adder(vessl.RunnerBase):
        @staticmethod
        def predict(model, data):
            return {"sum": sum(data["x"]) + model, "version": model}

    return Adder


def make_obedient() -> type:  # noqa: C901  # one branch for each deed
    """Make a runner that does what a request says, however bad it is for its process."""

    class Obedient(vessl.RunnerBase):
        @staticmethod
        def preprocess_data(data):
            if isinstance(data, dict) and data.get("do") == "raise early":
                raise ValueError("secret words of the traceback")
            return data

        @staticmethod
        def predict(model, data):  # noqa: C901, PLR0912  # as above
            import os
            import signal
            import sys
            import time

            do = data.get("do") if isinstance(data, dict) else None
            if do == "raise":
                raise ValueError("secret words of the traceback")
            if do == "exit":
                sys.exit(3)
            if do == "end":
                os._exit(3)
            if do == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if do == "sleep":
                time.sleep(data["seconds"])
            if do == "leave its group":
                os.setpgid(0, os.getppid())
                time.sleep(60)
            if do == "touch":
                with open(data["path"], "x"):  # noqa: PTH123  # it imports nothing more
                    pass
            if do == "loop":
                while True:
                    pass
            if do == "hang in C":
                import re

                re.match(r"(a+)+$", "a" * 40 + "b")
            if do == "not JSON":
                return model_without_words
            if do == "large":
                return "x" * data["size"]
            if do == "print":
                for _ in range(data["lines"]):
                    print("words" * 20)  # noqa: T201  # that is the deed
            if do == "fork":
                child = os.fork()
                if not child:
                    if data.get("alone"):
                        os.setsid()
                    time.sleep(data["seconds"])
                    os._exit(0)
                if data.get("end"):
                    os._exit(3)
            if do == "command":
                os.system(data["command"])  # which closes no descriptors
            if do == "leak a thread":
                import threading

                threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
            if do == "panic":
                raise GeneratorExit("not an Exception")
            return {"pid": os.getpid(), "ppid": os.getppid(), "given": data if isinstance(data, dict) else None}

        @staticmethod
        def postprocess_data(data):
            return data

    model_without_words = object
    return Obedient


def make_threaded() -> type:
    """Make a runner that starts a thread while it loads: its process cannot be forked."""

    class Threaded(vessl.RunnerBase):
        @staticmethod
        def load_model(props, artifacts):
            import threading
            import time

            threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()
            return 1

        @staticmethod
        def predict(model, data):
            import os
            import time

            time.sleep(0.02)
            return {"pid": os.getpid(), "ppid": os.getppid()}

    return Threaded


def make_crashing(how: str) -> type:
    """Make a runner that does not survive its loading."""

    class Crashing(vessl.RunnerBase):
        @staticmethod
        def load_model(props, artifacts):
            import os
            import sys
            import time

            if how == "raise":
                raise RuntimeError("no such luck")
            if how == "exit":
                sys.exit(5)
            if how == "end":
                os._exit(5)
            time.sleep(60)

        @staticmethod
        def predict(model, data):
            return data

    return Crashing


def make_unsteady() -> type:
    """Make a runner whose example comes out right only as long as a file says so."""

    class Unsteady(vessl.RunnerBase):
        @staticmethod
        def predict(model, data):
            from pathlib import Path

            return {"sum": float(Path(model).read_text()), "version": "unsteady"}

    return Unsteady


def make_bytes() -> type:
    class Bytes(vessl.RunnerBase[bytes, bytes]):
        @staticmethod
        def predict(model, data):
            return data[::-1]

    return Bytes


def make_picture() -> type:
    class Picture(vessl.RunnerBase):
        @staticmethod
        def predict(model, data):
            return data.transpose(0)

    return Picture


class Point(pydantic.BaseModel):
    x: int = pydantic.Field(ge=0)
    y: float = 0.5


def make_typed() -> type:
    class Typed(vessl.RunnerBase[Point, dict[str, float]]):
        @staticmethod
        def predict(model, data):
            return {"sum": data.x + data.y}

    return Typed


def png(size: tuple[int, int] = (3, 2)) -> bytes:
    """Write a small picture."""
    file = io.BytesIO()
    Image.new("RGB", size, (255, 0, 0)).save(file, "PNG")
    return file.getvalue()


def samples() -> dict[str, tuple[Any, Any, Any]]:
    """Name runners, with the model and the sample of each."""
    return {
        "adder": (make_adder(), 0.0, {"x": [1.0, 2.0]}),
        "obedient": (make_obedient(), {}, None),
        "bytes": (make_bytes(), {}, b"abc"),
        "picture": (make_picture(), {}, Image.new("RGB", (3, 2))),
        "typed": (make_typed(), {}, None),
        "threaded": (make_threaded(), {}, None),
    }
