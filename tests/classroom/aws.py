"""Shared by the tests of S3 and Rekognition: made-up keys, and a scripted server."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web
from pydantic import SecretStr

from classroom.aws import Access

KEY_ID = "AKIAMADEUPFORTESTS00"
SECRET = "made-up/secret+of/the-tests"


def access(endpoint: str) -> Access:
    return Access("ap-south-1", endpoint, SecretStr(KEY_ID), SecretStr(SECRET))


@dataclass(frozen=True)
class Asked:
    """A request; ``what`` is the path in S3, the operation in Rekognition."""

    method: str
    what: str
    body: bytes


Answer = Callable[[Asked], web.Response | Awaitable[web.StreamResponse]]


class AwsServer:
    """Answers every request with ``answer``, and records the requests."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.answer: Answer = lambda asked: web.Response(status=500)
        self.raw: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None
        self.url = ""

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["AwsServer"]:
        app = web.Application(client_max_size=20_000_000)
        app.router.add_route("*", "/{path:.*}", self._serve)
        runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        what = request.headers.get("X-Amz-Target", request.path).removeprefix("RekognitionService.")
        self.asked.append(Asked(request.method, what, await request.read()))
        if self.raw is not None:
            return await self.raw(request)
        answer = self.answer(self.asked[-1])
        return answer if isinstance(answer, web.Response) else await answer


async def never(_: object) -> web.StreamResponse:
    """Never answer."""
    await asyncio.Event().wait()
    raise AssertionError


async def cut_short(request: web.Request) -> web.StreamResponse:
    """Announce a thousand bytes, send ten, close the connection."""
    response = web.StreamResponse(headers={"Content-Length": "1000", "ETag": '"1"'})
    await response.prepare(request)
    await response.write(b"0123456789")
    assert request.transport is not None
    request.transport.close()
    return response


async def trickling(request: web.Request) -> web.StreamResponse:
    """Send single bytes with pauses, forever."""
    response = web.StreamResponse(headers={"Content-Length": "100000", "ETag": '"1"'})
    await response.prepare(request)
    with contextlib.suppress(ConnectionError):
        while True:
            await response.write(b"0")
            await asyncio.sleep(0.05)
    return response
