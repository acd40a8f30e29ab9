"""The sandbox's web page: its files, the simulators' control APIs, events, people, video notes and the bot's state.

GET  /                     the page
     /telegram/..., /portal/..., /lms/...   the control APIs, which the simulators alone serve under /control
GET  /api/sandbox          {run, time_zone, refresh_interval, portal_url, lms_url, bots, people, places, notes}
GET  /api/events           server-sent events: hello, people, screen, bot, portal, lms, log, tour (sandbox/watching.py)
POST /api/people {name}    adds a student to the portal, to the LMS and with a phone
GET  /api/photos/ID        a person's ID photo
POST /api/photos {person, image}   an ID photo of the person's own: a JPEG or PNG as base64
POST /api/notes/send {person, bot, name | file}   sends a prepared video note, or a recording (base64) as one
GET  /api/bot?since=N      {state, start, outcome, last_line, lines: [{n, text}]}, lines after the Nth
POST /api/bot/start        restart the bot after it has ended
POST /api/start-over       delete everything that happened, and start the bot on empty data
"""

import asyncio
import secrets
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from sandbox.bot_process import BotProcess
from sandbox.cast import BOTS, PLACES, Cast, CastError, Role, at
from sandbox.events import EventStream
from sandbox.guard import orders_as_json
from sandbox.lms.server import LmsSimulator
from sandbox.notes import NoteImpossible, Notes
from sandbox.portal.server import PortalSimulator
from sandbox.serving import serving
from sandbox.telegram import people
from sandbox.telegram.errors import ControlError
from sandbox.telegram.server import TelegramSimulator
from sandbox.tour_facts import TourFacts
from sandbox.watching import Watch

_FOLDER = Path(__file__).parent / "page"
_LARGEST_BODY = 30 * 1024 * 1024  # a video note has at most 20 MB, and a third more as base64
_HEADERS = {
    # The files change with the checkout while their names stay the same.
    "Cache-Control": "no-cache",
    # Bot messages are shown as HTML: should the page's own filter fail, nothing is executed or loaded.
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; media-src 'self' blob:;"
    " frame-ancestors 'none'",
}


class PageServer:
    """The web application behind the page. ``data`` is the bot's DATA_DIR."""

    def __init__(
        self,
        telegram: TelegramSimulator,
        portal: PortalSimulator,
        lms: LmsSimulator,
        bot: BotProcess,
        cast: Cast,
        notes: Notes,
        data: Path,
        about: dict[str, Any],
    ) -> None:
        self._telegram, self._portal, self._lms = telegram, portal, lms
        self._bot, self._data = bot, data
        self._starting_over: asyncio.Task[None] | None = None
        self._cast, self._notes = cast, notes
        # An open page detects a restarted sandbox by a changed value, and reloads.
        self._about = {"run": secrets.token_hex(8)} | about
        self._stream = EventStream(self._about["run"])
        facts = TourFacts(telegram.world, portal.world, lms.world, cast, data)
        self.watch = Watch(self._stream, telegram, portal, lms, bot, cast, facts)

    def application(self) -> web.Application:
        """All routes of the page's port."""
        app = web.Application(middlewares=[orders_as_json, _errors_as_json], client_max_size=_LARGEST_BODY)
        app.router.add_get("/", self._index)
        app.router.add_static("/page", _FOLDER)
        app.router.add_get("/api/sandbox", self._sandbox)
        app.router.add_get("/api/events", self._stream.serve)
        app.router.add_post("/api/people", self._add_student)
        app.router.add_get("/api/photos/{person}", self._photo)
        app.router.add_post("/api/photos", self._own_photo)
        app.router.add_post("/api/notes/send", self._send_note)
        app.router.add_get("/api/bot", self._state)
        app.router.add_post("/api/bot/start", self._start)
        app.router.add_post("/api/start-over", self._start_over)
        app.add_subapp("/telegram", self._telegram.control_application())
        app.add_subapp("/portal", self._portal.control_application())
        app.add_subapp("/lms", self._lms.control_application())
        app.on_response_prepare.append(_add_headers)
        app.on_shutdown.append(self._hang_up)
        return app

    @asynccontextmanager
    async def serving(self, host: str, port: int) -> AsyncIterator[str]:
        """Serve inside a `with` block; yields the URL. Port 0 picks a free one."""
        # Handlers of closed connections are cancelled, which ends their streams and long polls.
        served = serving(
            self.application(), host, port, has_pages=True, handler_cancellation=True, shutdown_timeout=1.0
        )
        async with served as url:
            yield url

    async def _hang_up(self, _app: web.Application) -> None:
        self._stream.close()

    async def _index(self, _request: web.Request) -> web.FileResponse:
        return web.FileResponse(_FOLDER / "index.html")

    async def _sandbox(self, _request: web.Request) -> web.Response:
        bots = {kind: {"username": bot.username, "name": bot.name} for kind, bot in BOTS.items()}
        places = [{"name": name, "label": label, "metres": metres, **at(metres)} for name, label, metres in PLACES]
        return web.json_response(
            self._about
            | {"bots": bots, "people": self._cast.shown(), "places": places}
            | {"notes": self._notes.listed(), "notes_missing": self._notes.missing()}
        )

    async def _add_student(self, request: web.Request) -> web.Response:
        name = _field(await _body(request), "name", str)
        student = self._cast.add_student(name)
        return web.json_response({"id": student.id})

    async def _photo(self, request: web.Request) -> web.StreamResponse:
        photo = self._cast.photo(self._person(request.match_info["person"]))
        if photo is None or not photo.exists():
            raise web.HTTPNotFound(reason="this person has no ID photo")
        return web.FileResponse(photo)

    async def _own_photo(self, request: web.Request) -> web.Response:
        body = await _body(request)
        person = self._person(body.get("person"))
        await self._notes.own_photo(person, _field(body, "image", str))
        return web.json_response({})

    async def _send_note(self, request: web.Request) -> web.Response:
        body = await _body(request)
        person, bot = self._person(body.get("person")), self._cast.bot(_field(body, "bot", str))
        account = self._telegram.world.people.get(person.id)
        if bot is None or account is None:
            raise web.HTTPNotFound(reason="unknown bot")
        people.open_chat(bot, account)  # before anything is drawn
        if "file" in body:
            note = await self._notes.recorded(_field(body, "file", str))
        else:
            note = await self._notes.prepared(person, bot.screen(account), _field(body, "name", str))
        message = people.send(self._telegram.world, bot, account, {"video_note": note.as_sent()})
        return web.json_response({"message_id": message.message_id, "seconds": note.seconds})

    def _person(self, identifier: object) -> Role:
        person = self._cast.people.get(int(str(identifier))) if str(identifier).isdecimal() else None
        if person is None:
            raise web.HTTPNotFound(reason=f"unknown person {str(identifier)[:20]!r}")
        return person

    async def _state(self, request: web.Request) -> web.Response:
        since = request.query.get("since", "0")
        if not since.isdecimal():
            return web.json_response({"error": "since must be a whole number"}, status=400)
        lines = [{"n": line.number, "text": line.text} for line in self._bot.lines_since(int(since))]
        return web.json_response({"run": self._about["run"], **self.watch.bot_state(), "lines": lines})

    async def _start(self, _request: web.Request) -> web.Response:
        if not await self._bot.start():
            return web.json_response({"error": "the bot is already running"}, status=409)
        return web.json_response({})

    async def _start_over(self, _request: web.Request) -> web.Response:
        if self._starting_over is None or self._starting_over.done():
            self._starting_over = asyncio.create_task(self._begin_again(), name="start over")
        await asyncio.shield(self._starting_over)  # to its end, also if the page is closed meanwhile
        return web.json_response({"run": self._about["run"]})

    async def _begin_again(self) -> None:
        await self._bot.stop()
        await asyncio.to_thread(shutil.rmtree, self._data, ignore_errors=True)
        self._telegram.world.reset()
        self._portal.reset()
        self._portal.change_behaviour({"push": True})
        self._lms.world.reset()
        self._cast.introduce()
        self._notes.forget()
        self._about["run"] = secrets.token_hex(8)
        self._stream.begin_again(self._about["run"])
        self.watch.begin_again()
        await self._bot.start()
        await self._notes.photograph()


@web.middleware
async def _errors_as_json(request: web.Request, handler: Any) -> web.StreamResponse:
    try:
        return await handler(request)  # type: ignore[no-any-return]
    except CastError as error:
        return web.json_response({"error": str(error)}, status=400)
    except NoteImpossible as error:
        return web.json_response({"error": str(error)}, status=409)
    except ControlError as error:
        return web.json_response({"error": error.reason}, status=error.status)
    except web.HTTPClientError as error:
        if not request.path.startswith("/api/"):
            raise
        return web.json_response({"error": error.reason}, status=error.status)


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except ValueError:
        raise web.HTTPBadRequest(reason="the body is not JSON") from None
    if not isinstance(body, dict):
        raise web.HTTPBadRequest(reason="the body is not a JSON object")
    return body


def _field(body: dict[str, Any], name: str, kind: type) -> Any:
    value = body.get(name)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise web.HTTPBadRequest(reason=f"{name} is missing or is no {kind.__name__}")
    return value


async def _add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
