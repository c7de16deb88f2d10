"""Starlette on uvicorn: a route, a request and a response, and nothing that validates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import models
import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request


async def predict(request: Request) -> JSONResponse:
    data = await request.json()
    return JSONResponse({"y": models.dot(models.WEIGHTS, data["x"])})


if __name__ == "__main__" and not models.has_to_prepare():
    _, _, port, _ = models.said()
    app = Starlette(routes=[Route("/predict", predict, methods=["POST"])])
    uvicorn.run(app, port=port, loop="uvloop", http="httptools", access_log=False, log_level="warning")
