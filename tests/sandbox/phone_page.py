"""A page with phones alone: the simulated Telegram, the phones of `sandbox/page`, and bots that a test plays."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
from aiohttp import web

from sandbox.guard import orders_as_json
from sandbox.serving import serving
from sandbox.telegram.screens import screen
from sandbox.telegram.server import TelegramSimulator
from sandbox.telegram.world import Person
from tests.e2e.people import PAUSES
from tests.servers import in_thread
from tests.waiting import PATIENCE

Json = dict[str, Any]
PAGE = Path(__file__).resolve().parents[2] / "sandbox" / "page"
BOTS = {kind: {"username": f"{kind}_test_bot", "name": kind.title()} for kind in ("marker", "teacher", "student")}
TOKENS = {kind: f"123456789{number}:{'A' * 35}" for number, kind in enumerate(BOTS)}
POLICY = "default-src 'self'; img-src 'self' data:; media-src 'self' blob:; frame-ancestors 'none'"


def _person(number: int, name: str, role: str, chats: list[str], **more: Any) -> Json:
    place = {"latitude": 43.25 + more.pop("metres", 0) / 111_110, "longitude": 76.95, "horizontal_accuracy": 5}
    known = {"id": number, "name": name, "role": role, "username": name.lower(), "language": "en", "photo": None}
    own = {"chats": chats, "scene": "both", "login": None, "lms": None, "student_id": None, "phone": f"+770100{number}"}
    return known | own | {"place": place} | more


TEACHER, STUDENT = 3001, 2001
PEOPLE = [
    _person(TEACHER, "Yerlan", "teacher", ["teacher"], lms={"email": "yerlan@lms.example", "password": "lms-1"}),
    _person(
        STUDENT,
        "Aruzhan",
        "student",
        ["marker", "student"],
        login={"username": "a_student", "password": "portal-1"},
        student_id="S001",
        metres=6,
    ),
]
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c63504858f01f0003e402207b860e"
    "dc0000000049454e44ae426082"
)  # a PNG
NOTES = [{"name": "right", "label": "The right person"}, {"name": "none", "label": "No face"}]
HTML = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Phones</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">
<link rel="stylesheet" href="/page/phone.css"><link rel="stylesheet" href="/page.css">
<script type="module" src="/page.js"></script></head><body><h1>Phones</h1><main id="phones"></main></body></html>"""
CSS = """* { box-sizing: border-box; } body { margin: 0; height: 100dvh; display: flex; flex-direction: column;
font: 14px/1.4 system-ui, "DejaVu Sans", sans-serif; background: light-dark(#eef2f6, #0b1117); }
h1 { margin: 0; font-size: 0; } main { flex: 1; display: flex; gap: 16px; min-height: 0; padding: 12px; }
main > * { flex: 1; max-width: 390px; min-width: 0; } @media (max-width: 719px) { main { padding: 4px; } }"""
JS = """import { setTimeZone } from "/page/api.js"; import { Phone } from "/page/phone.js";
const sandbox = await (await fetch("/api/sandbox")).json(); setTimeZone(sandbox.time_zone);
window.opened = []; window.phones = {};
for (const person of sandbox.people) {
  const phone = new Phone(person, sandbox, { onOpenLink: (...link) => window.opened.push(link) });
  window.phones[person.name] = phone; document.getElementById("phones").append(phone.node);
}
new EventSource("/api/events").addEventListener("screen", (event) => {
  for (const phone of Object.values(window.phones)) phone.apply(JSON.parse(event.data));
});"""


class PhonePage:
    """The server. `orders`: the bodies of orders that the real sandbox carries out, by path."""

    def __init__(self) -> None:
        self.telegram = TelegramSimulator()
        self.orders: list[tuple[str, Json]] = []
        self.url = self.bot_url = ""
        self._http = httpx.Client(trust_env=False, timeout=PATIENCE, event_hooks=PAUSES)

    @asynccontextmanager
    async def serving(self, port: int = 0) -> AsyncIterator[str]:
        """Serve inside a `with` block; yields the URL of the page."""
        self.reset()
        app = web.Application(middlewares=[orders_as_json], client_max_size=30 * 1024 * 1024)
        for path, (kind, text) in {
            "/": ("html", HTML),
            "/page.css": ("css", CSS),
            "/page.js": ("javascript", JS),
        }.items():
            app.router.add_get(path, _file(f"text/{kind}", text))
        app.router.add_static("/page", PAGE)
        app.router.add_get("/api/sandbox", self._sandbox)
        app.router.add_get("/api/events", self._events)
        app.router.add_post("/api/notes/send", self._order)
        app.router.add_post("/api/photos", self._order)
        app.add_subapp("/telegram", self.telegram.control_application())
        app.on_response_prepare.append(_add_policy)
        options: Json = {"has_pages": True, "shutdown_timeout": 0.1}
        async with self.telegram.serving() as self.bot_url, serving(app, "127.0.0.1", port, **options) as self.url:
            yield self.url
        self._http.close()

    def reset(self) -> None:
        """Delete all chats."""
        world = self.telegram.world
        world.reset()
        world.limits.per_second = world.limits.per_chat_per_second = None
        self.orders.clear()
        for kind, bot in BOTS.items():
            world.add_bot(TOKENS[kind], bot["username"], bot["name"])
        for each in PEOPLE:
            world.people[each["id"]] = Person(each["id"], each["name"], username=each["username"], language_code="en")

    async def _sandbox(self, _request: web.Request) -> web.Response:
        about = {"time_zone": "Asia/Almaty", "bots": BOTS, "people": PEOPLE, "notes": NOTES}
        return web.json_response(about)

    async def _order(self, request: web.Request) -> web.Response:
        self.orders.append((request.path, await request.json()))
        return web.json_response({})

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """Send each chat's screen once, then after each change."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        await response.prepare(request)
        sent: dict[tuple[str, int], str] = {}
        while request.transport is not None and not request.transport.is_closing():
            for kind, bot, each in [(k, b, p) for k, b in BOTS.items() for p in PEOPLE if k in p["chats"]]:
                known = self.telegram.world.by_username.get(bot["username"])
                person = self.telegram.world.people.get(each["id"])
                if known is None or person is None:
                    continue
                shown = screen(self.telegram.world, known.screen(person)) | {
                    "started": person.id in known.chats,
                    "commands": known.commands.get(("default", ""), []),
                    "description": known.descriptions.get(("description", ""), ""),
                }
                event = json.dumps({"bot": kind, "username": bot["username"], "person": person.id, "screen": shown})
                if sent.get((kind, person.id)) != event:
                    sent[kind, person.id] = event
                    await response.write(f"event: screen\ndata: {event}\n\n".encode())
            await asyncio.sleep(0.02)
        return response

    def bot(self, kind: str, method: str, **arguments: Any) -> Any:
        """Call a method of the Bot API as a bot; returns its result."""
        files = {name: arguments.pop(name) for name in list(arguments) if isinstance(arguments[name], tuple)}
        given = {name: each if isinstance(each, str | int) else json.dumps(each) for name, each in arguments.items()}
        url = f"{self.bot_url}/bot{TOKENS[kind]}/{method}"
        answer = self._http.post(url, data=given, files=files or None)
        assert answer.status_code == 200, answer.text
        return answer.json()["result"]

    def says(self, kind: str, person: int, text: str, rows: list[list[str]] | None = None, **more: Any) -> int:
        """Send a message with inline buttons as a bot; returns its id."""
        if rows is not None:
            more["reply_markup"] = keyboard(rows)
        sent = self.bot(kind, "sendMessage", chat_id=person, text=text, parse_mode="HTML", **more)
        return int(sent["message_id"])

    def acts(self, kind: str, person: int, order: str = "send", **content: Any) -> Json:
        """Act as a person through the control API."""
        body = {"bot": BOTS[kind]["username"], "person": person} | content
        answer = self._http.post(f"{self.url}/telegram/{order}", json=body)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def screen(self, kind: str, person: int) -> Json:
        """What a person sees."""
        query: dict[str, str | int] = {"bot": BOTS[kind]["username"], "person": person}
        answer = self._http.get(f"{self.url}/telegram/chat", params=query)
        return dict(answer.raise_for_status().json())

    def taps(self) -> list[Json]:
        """The taps without an answer."""
        answer = self._http.get(f"{self.url}/telegram/taps?unanswered=1")
        return list(answer.raise_for_status().json())


def keyboard(rows: list[list[str]]) -> Json:
    """An inline keyboard; each button's data is its label in small letters."""
    buttons = [[{"text": each, "callback_data": re.sub(r"\W+", "_", each.lower())} for each in row] for row in rows]
    return {"inline_keyboard": buttons}


@contextmanager
def running() -> Iterator[PhonePage]:
    """Serve the page in a thread."""
    page = PhonePage()
    with in_thread(page.serving()):
        yield page


def _file(kind: str, text: str) -> Any:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(text=text, content_type=kind)

    return answer


async def _add_policy(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.setdefault("Content-Security-Policy", POLICY)
