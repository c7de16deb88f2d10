"""Every address of the front but the short way of ``POST /predict``."""

from __future__ import annotations

import asyncio
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from vessl_nb.serving import limits
from vessl_nb.serving.access import OPEN_PATHS
from vessl_nb.serving.description import metadata_of
from vessl_nb.serving.metrics import Gauges
from vessl_nb.serving.problems import MEDIA_TYPE, Problem, body_too_large, client_closed, not_ready, short

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from vessl_nb.serving.connection import Connection
    from vessl_nb.serving.front import Front
    from vessl_nb.serving.wire import Answer

_TRY_AGAIN = {"retry-after": "1"}


def make_app(front: Front) -> ASGIApp:
    """Make the application that answers all that does not go the short way."""
    pages = _Pages(front)
    routes = [
        Route("/", pages.home),
        Route("/predict", pages.predict, methods=["POST"]),
        Route("/health/live", pages.live),
        Route("/health/ready", pages.ready),
        Route("/metadata", pages.metadata),
        Route("/recent", pages.recent),
        Route("/metrics", pages.metrics),
        Route("/openapi.json", pages.openapi),
        Route("/docs", pages.docs),
    ]
    app = Starlette(
        routes=routes, exception_handlers={HTTPException: _explain_http, Problem: _explain, Exception: _explain_any}
    )
    app.router.redirect_slashes = False
    return _Guard(front, app)


class _Guard:
    """Lets in who may ask."""

    def __init__(self, front: Front, app: ASGIApp) -> None:
        self._front = front
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers = dict(scope["headers"])
        access, host = self._front.access, headers.get(b"host", b"")
        origin, authorization = headers.get(b"origin", b""), headers.get(b"authorization", b"")
        is_open = scope["path"] in OPEN_PATHS
        problem = None
        asks: list[str] = []
        if not is_open and not access.takes_host(host):
            problem = Problem(
                403,
                "Foreign host",
                f"It was asked by the name {short(host.decode('latin-1'))}, but without a token this server answers by "
                "its machine's own alone, such as localhost. Ask by that, or start the server with a token.",
            )
        elif access.is_foreign(origin, host, authorization):
            problem = Problem(
                403,
                "Foreign page",
                f"A page of {short(origin.decode('latin-1'))} asks, and only this server's own may, which was asked as "
                f"{short(host.decode('latin-1'))}. A proxy before it has to hand on the name that it was asked by.",
            )
        elif not is_open and not access.knows_token(authorization):
            title = "Wrong token" if authorization else "Token needed"
            problem = Problem(401, title, "Send it as the header 'Authorization: Bearer TOKEN'.")
            asks = ["Bearer", 'Basic realm="vessl-nb: any name, the token as password"']
        if problem is None:
            await self._app(scope, receive, send)
            return
        if scope["path"] == "/predict":  # the metrics are of requests to it
            self._front.refused(problem.status)
        response = _answer_with(problem)
        for how in asks:  # a line each: Chromium asks nobody for a password where both are on one
            response.headers.append("www-authenticate", how)
        await response(scope, receive, send)


class _Pages:
    def __init__(self, front: Front) -> None:
        self._front = front

    async def home(self, _: Request) -> Response:
        return RedirectResponse("docs")

    async def predict(self, request: Request) -> Response:
        """Answer as the short way does."""
        body = bytearray()
        encoding = request.headers.get("content-encoding", "identity")
        if encoding != "identity":
            self._front.refused(415)
            detail = f"The body is encoded as {short(encoding)}. Send it as it is."
            raise Problem(415, "Unsupported content encoding", detail)
        try:
            async for part in request.stream():
                body += part
                if len(body) > self._front.most_body_bytes:
                    self._front.refused(413)
                    raise body_too_large(self._front.most_body_bytes)
        except ClientDisconnect:
            raise client_closed() from None
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        content_type = request.headers.get("content-type", "").encode("latin-1")
        began, version, crew = time.monotonic(), self._front.version.reference, self._front.crew
        number = crew.pending.ask(content_type, body, future.set_result)
        if not number:
            return Response(self._front.turn_away(), 503, _TRY_AGAIN, MEDIA_TYPE)
        connection: Connection = request.scope["vessl_nb.connection"]
        connection.let_go()
        leaving = asyncio.ensure_future(request.receive())  # after the body, only the client's end is still to come
        try:
            while not future.done():
                await asyncio.wait((future, leaving), timeout=limits.GIVEN_UP, return_when=asyncio.FIRST_COMPLETED)
                is_gone = leaving.done() or (connection.has_ended and crew.pending.is_waiting(number))
                if is_gone and not future.done():
                    self._front.abandoned(crew, number, time.monotonic() - began)
                    raise client_closed()
        finally:
            leaving.cancel()
        answer = future.result()
        self._front.metrics_of(answer, time.monotonic() - began)
        kind = answer.content_type.decode() or "application/json"
        more = _TRY_AGAIN if answer.status == HTTPStatus.SERVICE_UNAVAILABLE else {}
        return Response(answer.body, answer.status, {"vessl-version": version, **more}, kind)

    async def live(self, _: Request) -> Response:
        return _json({"status": "live"})

    async def ready(self, _: Request) -> Response:
        front = self._front
        if front.is_ready and front.crew.workers:
            return _json({"status": "ready", "version": front.version.reference})
        raise not_ready()

    async def metadata(self, _: Request) -> Response:
        return _json(metadata_of(self._front))

    async def recent(self, _: Request) -> Response:
        return _json(self._front.metrics.recent())

    async def metrics(self, request: Request) -> Response:
        from vessl_nb.serving.exposition import exposition  # noqa: PLC0415  # for those who ask

        front = self._front
        gauges = Gauges(
            queue_length=front.crew.waiting,
            workers={"ready": front.crew.workers, "missing": front.options.workers - front.crew.workers},
            restarts=front.restarts,
            version={"reference": front.version.reference, "runner": front.version.runner},
            refused_connections=front.refused_connections,
            is_current=front.following.is_current if front.following else None,
        )
        body, kind = exposition(front.metrics, gauges, request.headers.get("accept", ""))
        return Response(body, 200, {"content-type": kind})

    async def openapi(self, _: Request) -> Response:
        from vessl_nb.serving.documents import documents_of  # noqa: PLC0415  # as above

        return _json(documents_of(self._front, self._front.crew)[0])

    async def docs(self, _: Request) -> Response:
        from vessl_nb.serving.docs import docs_headers  # noqa: PLC0415  # as above
        from vessl_nb.serving.documents import documents_of  # noqa: PLC0415

        return Response(documents_of(self._front, self._front.crew)[1], 200, docs_headers(), "text/html")


def _json(data: Any) -> Response:
    return Response(msgspec.json.encode(data), 200, {"cache-control": "no-store"}, "application/json")


def _answer_with(problem: Problem, more: dict[str, str] | None = None) -> Response:
    return Response(problem.document(), problem.status, more, MEDIA_TYPE)


async def _explain(_: Request, problem: Exception) -> Response:
    assert isinstance(problem, Problem)  # noqa: S101  # it is registered for these
    return _answer_with(problem)


async def _explain_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  # as above
    status = HTTPStatus(error.status_code)
    path = request.scope["path"]  # the whole address has the client's Host in it, which may be none
    detail = f"{request.method} {path} is none of this server's addresses; /docs lists them."
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        detail = f"{path} does not take {request.method}; /docs lists what it takes."
    return _answer_with(Problem(status.value, status.phrase, detail), dict(error.headers or {}))


async def _explain_any(_: Request, __: Exception) -> Response:
    return _answer_with(Problem(500, "The server failed", "This should not happen. The server's log has the details."))
