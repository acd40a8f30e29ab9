"""A strict simulator of the Telegram Bot API server: `python -m sandbox.telegram --port 8091`.

It answers and refuses calls as Telegram does, and adds a control API under /control through which a test or the
sandbox's page acts as the people and reads what they see. Private chats and polling only.
"""

import argparse
import asyncio
import json
import sys
from contextlib import AbstractAsyncContextManager
from typing import Any

from aiohttp import web

from sandbox.serving import serve_until_signal, serving
from sandbox.signal import Clock
from sandbox.telegram.arguments import Arguments
from sandbox.telegram.control import TOKEN, Control
from sandbox.telegram.errors import ApiError
from sandbox.telegram.faults import Fault
from sandbox.telegram.journal import Call
from sandbox.telegram.methods import METHODS
from sandbox.telegram.world import Bot, TelegramWorld

# The Bot API takes uploads of up to 50 MB; a little more for the rest of the body.
_MAX_BODY = 51 * 1024 * 1024


async def call_method(world: TelegramWorld, bot: Bot, method: str, arguments: Arguments) -> Any:
    """Execute one call within the rate limits; returns the Bot API's result.

    Raises:
        ApiError: Telegram would refuse the call.
    """
    if method not in METHODS:
        raise ApiError(404, "Not Found")
    if world.limits.every_call and arguments.has("chat_id"):
        world.limits.spend(bot.id, arguments.integer("chat_id"), world.clock.monotonic())
    result = METHODS[method](world, bot, arguments)
    return await result if asyncio.iscoroutine(result) else result


class TelegramSimulator:
    """Telegram's server.

    `callback_lifetime`: seconds within which a tap can be answered. Telegram documents no number; from about 15 s to
    minutes were observed. 30 s is strict enough to detect a bot that answers only after its slow work.
    """

    def __init__(self, clock: Clock | None = None, *, callback_lifetime: float = 30.0) -> None:
        self.world = TelegramWorld(clock or Clock(), callback_lifetime)

    def application(self) -> web.Application:
        """The Bot API, and the control API under /control."""
        app = web.Application(client_max_size=_MAX_BODY, middlewares=[_not_found_as_telegram])
        app.router.add_route("*", "/bot{token:[^/]+}/{method}", self._call)
        app.router.add_get("/file/bot{token:[^/]+}/{path:.+}", self._download)
        app.add_subapp("/control", self.control_application())
        app.on_startup.append(self._begin)
        app.on_shutdown.append(self._hang_up)
        return app

    def control_application(self) -> web.Application:
        """The control routes alone, to be mounted with `add_subapp` under another prefix."""
        return Control(self.world).application()

    def serving(self, host: str = "127.0.0.1", port: int = 0) -> AbstractAsyncContextManager[str]:
        """Serve inside a `with` block; yields the URL without a path. Port 0 picks a free one."""
        # Handlers of closed connections are cancelled, which ends their polls and silences.
        return serving(self.application(), host, port, handler_cancellation=True)

    async def _begin(self, _app: web.Application) -> None:
        self.world.stopping = False

    async def _hang_up(self, _app: web.Application) -> None:
        """End all long polls, so that the server can stop."""
        self.world.stopping = True
        self.world.end_waiting(ApiError(502, "Bad Gateway"))

    async def _call(self, request: web.Request) -> web.StreamResponse:
        token, method = request.match_info["token"], request.match_info["method"].lower()
        if not TOKEN.fullmatch(token):
            return _failed(ApiError(404, "Not Found"))
        bot = self.world.bots.get(token)
        name = bot.username if bot else None
        journal = self.world.journal
        try:
            arguments = await Arguments.read(request)
        except (ApiError, web.HTTPRequestEntityTooLarge) as error:
            call = journal.begin(name, request.match_info["method"], {})
            too_large = ApiError(413, "Request Entity Too Large")
            return self._refuse(call, error if isinstance(error, ApiError) else too_large)
        call = journal.begin(name, request.match_info["method"], arguments.recorded())
        try:
            return await self._answer(request, call, bot, method, arguments)
        except ApiError as error:
            return self._refuse(call, error)
        except asyncio.CancelledError:
            journal.end(call, None, error="the caller hung up")
            raise
        except Exception as error:
            journal.end(call, 500, error=f"the simulator failed: {error!r}")
            raise

    async def _answer(
        self, request: web.Request, call: Call, bot: Bot | None, method: str, arguments: Arguments
    ) -> web.StreamResponse:
        if bot is None:
            raise ApiError(401, "Unauthorized")
        chat_id = arguments.integer("chat_id") if arguments.has("chat_id") else None
        fault = self.world.faults.take(bot.username, method, chat_id)
        if fault is not None:
            call.fault = fault.kind
            await self._hold(fault)
            if fault.kind in ("silence", "refuse_connection"):
                self.world.journal.end(call, None, error="no answer")
                return _cut(request)
            if (error := fault.error()) is not None:
                raise error
        try:
            result = await call_method(self.world, bot, method, arguments)
        except ApiError as error:
            answer = self._refuse(call, error)
        else:
            self.world.journal.end(call, 200, result=result)
            answer = _json({"ok": True, "result": result})
        return _cut(request) if fault is not None and fault.kind == "drop_answer" else answer

    async def _hold(self, fault: Fault) -> None:
        if fault.kind == "silence" or fault.seconds:
            await fault.lifted.wait_past(0, fault.seconds)

    def _refuse(self, call: Call, error: ApiError) -> web.Response:
        self.world.journal.end(call, error.code, error=error.description)
        return _failed(error)

    async def _download(self, request: web.Request) -> web.Response:
        bot = self.world.bots.get(request.match_info["token"])
        if bot is None:
            return _failed(ApiError(401, "Unauthorized"))
        stored = bot.paths.get(request.match_info["path"])
        if stored is None:
            return _failed(ApiError(404, "Not Found"))
        return web.Response(body=stored.content, content_type="application/octet-stream")


@web.middleware
async def _not_found_as_telegram(request: web.Request, handler: Any) -> web.StreamResponse:
    try:
        return await handler(request)  # type: ignore[no-any-return]
    except web.HTTPNotFound:
        return _failed(ApiError(404, "Not Found"))


def _json(body: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(body=json.dumps(body).encode(), status=status, headers=headers, content_type="application/json")


def _failed(error: ApiError) -> web.Response:
    body: dict[str, Any] = {"ok": False, "error_code": error.code, "description": error.description}
    if error.retry_after is None:
        return _json(body, error.code)
    body["parameters"] = {"retry_after": error.retry_after}
    return _json(body, error.code, {"Retry-After": str(error.retry_after)})


def _cut(request: web.Request) -> web.StreamResponse:
    """Close the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def main() -> None:
    """Serve until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.telegram", description="A simulated Bot API server")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8091, help="port to listen on (default: %(default)s)")
    parser.add_argument("--bot", action="append", default=[], metavar="TOKEN:USERNAME", help="a bot that exists")
    arguments = parser.parse_args()
    simulator = TelegramSimulator()
    for bot in arguments.bot:
        token, _, username = bot.rpartition(":")
        if not TOKEN.fullmatch(token) or not username:
            sys.exit("--bot wants TOKEN:USERNAME; a token is 123456789: and 35 letters, digits, - or _")
        simulator.world.add_bot(token, username, username)
    asyncio.run(serve_until_signal(simulator.serving(arguments.host, arguments.port), lambda url: [url]))
