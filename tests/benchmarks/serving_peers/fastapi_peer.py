"""FastAPI on uvicorn, the body validated by a pydantic model.

The function is an async one, though the model holds the loop up: in a thread for each request it is slower still.
"""

import os
from pathlib import Path

import models
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel


class Data(BaseModel):
    x: list[float]


class Answer(BaseModel):
    y: float
    pid: int = 0


def make_app() -> FastAPI:
    """Load the model, in each worker anew."""
    app = FastAPI()
    run = models.load(os.environ["MODEL"], Path(os.environ["MODEL_HOME"]))

    @app.post("/predict")
    async def predict(data: Data) -> Answer:
        return Answer(**run(data.x))

    return app


if __name__ == "__main__":
    if models.has_to_prepare():
        models.save_net(Path(os.sys.argv[3]))
    else:
        model, home, port, workers = models.said()
        os.environ |= {"MODEL": model, "MODEL_HOME": str(home)}
        uvicorn.run(
            "fastapi_peer:make_app",
            factory=True,
            app_dir=str(Path(__file__).parent),
            port=port,
            workers=workers,
            loop="uvloop",
            http="httptools",
            access_log=False,
            log_level="warning",
        )
