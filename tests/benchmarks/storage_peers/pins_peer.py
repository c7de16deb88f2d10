"""vetiver's models on a board of pins in a folder; where models do not matter, pins alone."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import measuring
import pins
import vetiver

if TYPE_CHECKING:
    from pathlib import Path

    from measuring import Figures


START = datetime(2026, 1, 1)  # noqa: DTZ001  # pins takes it as UTC


def forest(folder: Path) -> Figures:
    model = measuring.forest()
    _pin(_board(folder / "warm", is_new=True), "warm", measuring.iris_models(1)[0])
    took = []
    for _ in range(3):
        board = _board(folder / "forest", is_new=True)  # the same model again is not stored, but hashed
        took.append(measuring.seconds(lambda board=board: _pin(board, "forest", model)))
    return {"forest": took}


def load_forest(folder: Path) -> Figures:
    import sklearn.ensemble  # noqa: F401  # imports are not timed

    warm = _board(folder / "warm", is_new=True)
    _pin(warm, "warm", measuring.iris_models(1)[0])
    vetiver.VetiverModel.from_pin(warm, "warm")
    board = _board(folder / "forest")
    return measuring.first_loads({"load_forest": lambda: vetiver.VetiverModel.from_pin(board, "forest")})


def small(folder: Path) -> Figures:
    models = measuring.iris_models(21)
    board = _board(folder / "small", is_new=True)
    _pin(board, "iris", models.pop())
    return {"small": measuring.repeated(20, lambda: _pin(board, "iris", models.pop()))}


def many(folder: Path) -> Figures:
    """Make 1,000 versions of a number."""
    board = _board(folder / "many", is_new=True)
    for number in measuring.patiently(range(1000)):
        _pin_number(board, number)
    return {}


def versions_1000(folder: Path) -> Figures:
    def list_all(board, count: int) -> None:
        frame = board.pin_versions("iris")
        if len(frame) != count:
            raise AssertionError(f"{len(frame)} versions instead of {count}")

    other = _board(folder / "other", is_new=True)  # an empty one has no pin whose versions it could list
    _pin_number(other, 0)
    list_all(other, 1)
    board = _board(folder / "many")
    return {"versions_1000": [measuring.seconds(lambda: list_all(board, 1000))]}


def resolve(folder: Path) -> Figures:
    board = _board(folder / "many")
    some = board.pin_versions("iris")["version"][500]
    return {
        "newest_1000": measuring.median_of(20, lambda: board.pin_meta("iris")),
        "number_1000": measuring.median_of(20, lambda: board.pin_meta("iris", some)),
    }


def steady(folder: Path) -> Figures:
    boards = {where: _board(folder / where, is_new=True) for where in ("full", "new", "warm")}

    def register(where: str, number: int) -> None:
        _pin_number(boards[where], number)

    register("warm", 0)
    return measuring.steady(register)


def _board(path: Path, *, is_new: bool = False):
    if is_new:
        measuring.fresh(path)
    return pins.board_folder(str(path), versioned=True, allow_pickle_read=True)


def _pin_number(board, number: int) -> None:
    # A version's name is its second and 20 bits of a hash, which are too few for a thousand versions in some seconds.
    board.pin_write(number, "iris", type="joblib", created=START + timedelta(seconds=number))


def _pin(board, name: str, model) -> None:
    vetiver.vetiver_pin_write(board, vetiver.VetiverModel(model, name))


if __name__ == "__main__":
    measuring.answer(
        {work.__name__: work for work in (forest, load_forest, small, many, versions_1000, resolve, steady)}
    )
