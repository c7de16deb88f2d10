"""A BentoML service, which validates by the types of its function."""

import os
import sys
from pathlib import Path
from typing import Any

import models

if "bentoml" in sys.modules or __name__ != "__main__":
    import bentoml

    @bentoml.service(workers=int(os.environ["WORKERS"]), logging={"access": {"enabled": False}})
    class Service:
        def __init__(self) -> None:
            self.run = models.load(os.environ["MODEL"], Path(os.environ["MODEL_HOME"]))

        @bentoml.api
        def predict(self, x: list[float]) -> dict[str, Any]:
            return self.run(x)


if __name__ == "__main__":
    if models.has_to_prepare():
        models.save_net(Path(sys.argv[3]))
    else:
        model, home, port, workers = models.said()
        os.environ |= {"MODEL": model, "MODEL_HOME": str(home), "WORKERS": str(workers)}
        words = ["serve", "bentoml_peer:Service", "--host", "127.0.0.1", "--port", port, "--working-dir"]
        command = ["bentoml", *map(str, words), str(Path(__file__).parent)]
        os.execvp(command[0], command)
