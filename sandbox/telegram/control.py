"""The control API: tests and the sandbox's page act as people through it, and read what the people see.

Its routes are relative: mount them with `add_subapp("/control", ...)`. Bodies and answers are JSON; an error
is {"error": reason}: 400 for a wrong request, 404 for an unknown bot or person, 409 for what a Telegram app does
not allow.
"""

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable
from types import UnionType
from typing import Any

from aiohttp import web

from sandbox.guard import orders_as_json
from sandbox.telegram import people
from sandbox.telegram.errors import ControlError
from sandbox.telegram.faults import KINDS, Fault
from sandbox.telegram.screens import screen
from sandbox.telegram.world import Bot, Json, Person, TelegramWorld

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

# The form of a token from BotFather.
TOKEN = re.compile(r"[1-9]\d{0,15}:[A-Za-z0-9_-]{35}")
_LONGEST_WAIT = 60.0
_RATES = ("per_second", "per_chat_per_second")


@web.middleware
async def _errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except ControlError as refused:
        return web.json_response({"error": refused.reason}, status=refused.status)
    except web.HTTPException as error:
        return web.json_response({"error": error.reason}, status=error.status)


async def _body(request: web.Request) -> Json:
    try:
        body = await request.json()
    except ValueError:
        raise ControlError("the body is not JSON", 400) from None
    if not isinstance(body, dict):
        raise ControlError("the body is not a JSON object", 400)
    return body


def _field(body: Json, name: str, kind: type | UnionType) -> Any:
    value = body.get(name)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ControlError(f"{name} is missing or is no {getattr(kind, '__name__', kind)}", 400)
    return value


def _optional(body: Json, name: str, kind: type | UnionType) -> Any:
    return None if body.get(name) is None else _field(body, name, kind)


def _number(request: web.Request, name: str, default: float) -> float:
    try:
        return float(request.query.get(name, default))
    except ValueError:
        raise ControlError(f"{name} is no number", 400) from None


class Control:
    """Handlers of the control routes."""

    def __init__(self, world: TelegramWorld) -> None:
        self.world = world

    def application(self) -> web.Application:
        """The routes, which can be mounted under any prefix."""
        app = web.Application(middlewares=[_errors_as_json, orders_as_json], client_max_size=100 * 1024 * 1024)
        app.router.add_post("/reset", self.reset)
        app.router.add_post("/bots", self.add_bot)
        app.router.add_post("/people", self.add_person)
        app.router.add_post("/send", self.send)
        app.router.add_post("/edit", self.edit)
        app.router.add_post("/update", self.add_update)
        app.router.add_post("/delete", self.delete)
        app.router.add_post("/tap", self.tap)
        app.router.add_post("/block", self.block)
        app.router.add_post("/faults", self.order_fault)
        app.router.add_delete("/faults", self.lift_faults)
        app.router.add_post("/limits", self.set_limits)
        app.router.add_get("/bots", self.bots)
        app.router.add_get("/people", self.people)
        app.router.add_get("/chat", self.chat)
        app.router.add_get("/calls", self.calls)
        app.router.add_get("/taps", self.taps)
        app.router.add_get("/pending", self.pending)
        app.router.add_get("/commands", self.commands)
        app.router.add_get("/file", self.file)
        return app

    def _bot(self, username: object) -> Bot:
        bot = self.world.by_username.get(str(username or "").removeprefix("@"))
        if bot is None:
            raise ControlError(f"unknown bot {username!r}", 404)
        return bot

    def _person(self, identifier: object) -> Person:
        person = self.world.people.get(int(str(identifier))) if str(identifier).isdecimal() else None
        if person is None:
            raise ControlError(f"unknown person {identifier!r}", 404)
        return person

    async def reset(self, _request: web.Request) -> web.Response:
        """POST /reset: delete all state."""
        self.world.reset()
        return web.json_response({})

    async def add_bot(self, request: web.Request) -> web.Response:
        """POST /bots {token, username, name}: register a bot."""
        body = await _body(request)
        token, username = _field(body, "token", str), _field(body, "username", str).removeprefix("@")
        if not TOKEN.fullmatch(token):
            raise ControlError("a token looks like 123456789: and 35 letters, digits, - or _", 400)
        other = self.world.by_username.get(username)
        if other is not None and other.token != token:
            raise ControlError("another bot has this username")
        bot = self.world.add_bot(token, username, str(body.get("name") or username))
        return web.json_response({"id": bot.id, "username": bot.username, "name": bot.name})

    async def add_person(self, request: web.Request) -> web.Response:
        """POST /people {id, first_name, last_name?, username?, language_code?}: register or change one."""
        body = await _body(request)
        identifier, first_name = _field(body, "id", int), _field(body, "first_name", str)
        optional = {name: str(body.get(name) or "") for name in ("last_name", "username", "language_code")}
        known = self.world.people.get(identifier)
        if known is None:
            self.world.people[identifier] = Person(identifier, first_name, **optional)
        else:
            known.first_name, known.last_name = first_name, optional["last_name"]
            known.username, known.language_code = optional["username"], optional["language_code"]
        self.world.changed.bump()
        return web.json_response(self.world.people[identifier].user())

    async def send(self, request: web.Request) -> web.Response:
        """POST /send {bot, person, text | contact | ...}: the person sends a message."""
        body = await _body(request)
        message = people.send(self.world, self._bot(body.get("bot")), self._person(body.get("person")), body)
        return web.json_response({"message_id": message.message_id})

    async def add_update(self, request: web.Request) -> web.Response:
        """POST /update {bot, content}: an update as Telegram never sends one, under the next id."""
        body = await _body(request)
        bot, content = self._bot(body.get("bot")), _field(body, "content", dict)
        bot.updates.append((self.world.clock.monotonic(), content | {"update_id": bot.next_update_id}))
        bot.next_update_id += 1
        bot.end_poll(None)
        return web.json_response({})

    async def edit(self, request: web.Request) -> web.Response:
        """POST /edit {bot, person, message_id, text | location}: the person edits a message of theirs."""
        body = await _body(request)
        people.edit(self.world, self._bot(body.get("bot")), self._person(body.get("person")), body)
        return web.json_response({})

    async def delete(self, request: web.Request) -> web.Response:
        """POST /delete {bot, person, message_id}: the person deletes a message, also for the bot."""
        body = await _body(request)
        bot, person = self._bot(body.get("bot")), self._person(body.get("person"))
        people.delete(bot, person, _field(body, "message_id", int))
        return web.json_response({})

    async def tap(self, request: web.Request) -> web.Response:
        """POST /tap {bot, person, message_id, button, forged?}: the person taps an inline button.

        A list of buttons is tapped at once: the bot reacts to none of the taps before all of them are made.
        With ``forged`` it acts as a manipulated client, which can send any data for any message of the chat.
        """
        body = await _body(request)
        bot, person = self._bot(body.get("bot")), self._person(body.get("person"))
        message_id, button = _field(body, "message_id", int), _field(body, "button", str | list)
        forged = body.get("forged") is True
        if isinstance(button, str):
            return web.json_response(people.tap(self.world, bot, person, message_id, button, forged))
        taps = [people.tap(self.world, bot, person, message_id, str(each), forged) for each in button]
        return web.json_response({"taps": taps})

    async def block(self, request: web.Request) -> web.Response:
        """POST /block {bot, person, blocked}: the person blocks or unblocks the bot."""
        body = await _body(request)
        bot, person = self._bot(body.get("bot")), self._person(body.get("person"))
        people.block(self.world, bot, person, _field(body, "blocked", bool))
        return web.json_response({})

    async def order_fault(self, request: web.Request) -> web.Response:
        """POST /faults {kind, method, bot?, chat_id?, times?, retry_after?, seconds?}: make calls fail."""
        body = await _body(request)
        kind = str(body.get("kind"))
        if kind not in KINDS:
            raise ControlError(f"kind is one of {', '.join(sorted(KINDS))}", 400)
        fault = Fault(
            fault_id=0,
            kind=kind,
            method=_field(body, "method", str),
            bot=self._bot(body["bot"]).username if body.get("bot") else None,
            chat_id=_optional(body, "chat_id", int),
            times=_optional({"times": 1, **body}, "times", int),
            retry_after=_optional(body, "retry_after", int) or 1,
            seconds=_optional(body, "seconds", int | float),
        )
        return web.json_response({"fault_id": self.world.faults.order(fault)})

    async def lift_faults(self, _request: web.Request) -> web.Response:
        """DELETE /faults: remove all faults and cut the connections that they hold."""
        self.world.faults.lift()
        return web.json_response({})

    async def set_limits(self, request: web.Request) -> web.Response:
        """POST /limits {per_second?, per_chat_per_second?, every_call?}: set the rate limits; null: no limit."""
        body = await _body(request)
        for name in _RATES:
            rate = body.get(name, getattr(self.world.limits, name))
            if rate is not None and (not isinstance(rate, int | float) or rate <= 0):
                raise ControlError(f"{name} is a number above zero, or null", 400)
            setattr(self.world.limits, name, rate)
        limits = self.world.limits
        every_call = body.get("every_call", limits.every_call)
        if not isinstance(every_call, bool):
            raise ControlError("every_call is true or false", 400)
        limits.every_call = every_call
        return web.json_response({name: getattr(limits, name) for name in (*_RATES, "every_call")})

    async def bots(self, _request: web.Request) -> web.Response:
        """GET /bots: the registered bots, without tokens."""
        return web.json_response([bot.user() for bot in self.world.bots.values()])

    async def people(self, _request: web.Request) -> web.Response:
        """GET /people: the registered people."""
        return web.json_response([person.user() for person in self.world.people.values()])

    async def chat(self, request: web.Request) -> web.Response:
        """GET /chat?bot=&person=[&since=&timeout=]: what the person sees; with `since`, waits for a change."""
        chat = self._bot(request.query.get("bot")).screen(self._person(request.query.get("person")))
        if "since" in request.query:
            seconds = min(_LONGEST_WAIT, _number(request, "timeout", 20))
            await chat.changed.wait_past(int(_number(request, "since", 0)), seconds)
        return web.json_response(screen(self.world, chat))

    async def calls(self, request: web.Request) -> web.Response:
        """GET /calls?since=N[&timeout=]: the calls after the Nth; with `timeout`, waits for one."""
        journal, number = self.world.journal, int(_number(request, "since", 0))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(_LONGEST_WAIT, _number(request, "timeout", 0))):
                while not journal.since(number) and not self.world.stopping:
                    await journal.changed.wait_past(journal.changed.version, None)
        return web.json_response(journal.since(number))

    async def taps(self, request: web.Request) -> web.Response:
        """GET /taps[?unanswered=1]: all taps, or the unanswered ones."""
        return web.json_response(self.world.taps.listed(unanswered=request.query.get("unanswered") == "1"))

    async def pending(self, request: web.Request) -> web.Response:
        """GET /pending?bot=: the updates not yet confirmed by an offset."""
        return web.json_response(self._bot(request.query.get("bot")).waiting(0, 1_000_000))

    async def commands(self, request: web.Request) -> web.Response:
        """GET /commands?bot=: the commands by scope ("default", "chat:ID"...) and language."""
        bot = self._bot(request.query.get("bot"))
        listed = [
            {"scope": scope, "language_code": language, "commands": commands}
            for (scope, language), commands in bot.commands.items()
        ]
        return web.json_response(listed)

    async def file(self, request: web.Request) -> web.Response:
        """GET /file?bot=&file_id=: the content of a file in a chat."""
        stored = self._bot(request.query.get("bot")).files.get(request.query.get("file_id", ""))
        if stored is None:
            raise ControlError("unknown file_id", 404)
        mime = stored.shown.get("mime_type") if isinstance(stored.shown, dict) else None
        return web.Response(body=stored.content, content_type=mime or "application/octet-stream")
