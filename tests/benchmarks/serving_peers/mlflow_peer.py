"""MLflow's own server of a pyfunc model, as ``mlflow models serve`` starts it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import models


def prepare(model: str, home: Path) -> None:
    """Save the model as MLflow keeps models."""
    import mlflow

    class Model(mlflow.pyfunc.PythonModel):
        def load_context(self, context) -> None:
            path = context.artifacts.get("net")
            self.run = models.load(model, Path(path).parent if path else Path())

        def predict(self, context, model_input, params=None):
            return self.run(model_input["x"].tolist())

    mlflow.pyfunc.save_model(
        home / model,
        python_model=Model(),
        artifacts={"net": str(models.save_net(home))} if model == "net" else None,
        code_paths=[models.__file__],
        pip_requirements=["mlflow"],
    )


if __name__ == "__main__":
    if models.has_to_prepare():
        prepare(sys.argv[2], Path(sys.argv[3]))
    else:
        model, home, port, workers = models.said()
        words = ["models", "serve", "-m", home / model, "-p", port, "-w", workers, "--env-manager", "local"]
        command = ["mlflow", *map(str, words)]
        os.execvp(command[0], command)
