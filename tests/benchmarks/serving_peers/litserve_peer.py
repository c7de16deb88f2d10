"""LitServe, with as many workers of its one device."""

from __future__ import annotations

from pathlib import Path

import litserve
import models


class Api(litserve.LitAPI):
    def __init__(self, model: str, home: Path) -> None:
        super().__init__()
        self.said = model, home

    def setup(self, device: str) -> None:
        self.run = models.load(*self.said)

    def decode_request(self, request):
        return request["x"]

    def predict(self, x):
        return self.run(x)

    def encode_response(self, output):
        return output


if __name__ == "__main__":
    if models.has_to_prepare():
        models.save_net(Path(models.sys.argv[3]))
    else:
        model, home, port, workers = models.said()
        server = litserve.LitServer(Api(model, home), accelerator="cpu", workers_per_device=workers)
        server.run(host="127.0.0.1", port=port, log_level="warning", generate_client_file=False, access_log=False)
