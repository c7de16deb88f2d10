"""The floor: a bare ASGI function on uvicorn, which reads and writes the same JSON and does nothing else."""

from __future__ import annotations

import json

import models
import uvicorn

_HEADERS = (b"content-type", b"application/json")


async def app(scope, receive, send) -> None:
    body, has_more = b"", True
    while has_more:
        message = await receive()
        body += message["body"]
        has_more = message["more_body"]
    answer = json.dumps({"y": models.dot(models.WEIGHTS, json.loads(body)["x"])}).encode()
    headers = [_HEADERS, (b"content-length", b"%d" % len(answer))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


if __name__ == "__main__" and not models.has_to_prepare():
    _, _, port, _ = models.said()
    uvicorn.run(app, port=port, loop="uvloop", http="httptools", lifespan="off", access_log=False, log_level="warning")
