"""The portal simulator over plain HTTP: sessions, messages, marks, and the control API."""

import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from aiohttp import ClientSession

from sandbox.portal.files import PAGE_PATH
from sandbox.portal.server import PortalSimulator
from tests import children
from tests.waiting import PATIENCE

pytestmark = pytest.mark.integration


PASSWORD = "correct horse"
LESSON = {"subject": "Algorithms <1>", "teacher": "A. Teacher", "time": "Л27 (15:00 - 16:00)"}
APP = "RegistrationOnline-1674962804"
PAGE = f"{PAGE_PATH}/"


class FakeClock:
    """Wall and monotonic clock, advanced by tests."""

    def __init__(self) -> None:
        self.now = 1000.0

    def wall(self) -> datetime:
        return datetime.fromtimestamp(self.now, UTC)

    def monotonic(self) -> float:
        return self.now


class RawPage:
    """The portal's client without a browser: loads the page and makes round trips."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._tab = f"tab-{id(self)}"
        self._messages = 0
        self.state: dict[str, Any] = {}
        self.query: dict[str, str] = {}

    async def load(self, device: str | None = "d1") -> dict[str, Any]:
        (await self._http.get(PAGE)).raise_for_status()
        details: dict[str, Any] = (await self._http.post(PAGE, data={"v-wn": self._tab})).json()
        self.query, self.state = {"v-uiId": str(details["v-uiId"])}, json.loads(details["uidl"])
        if device is not None and self.state["ui"] is None:
            await self.send({"event": "device", "value": device})
        return details

    async def send(self, *events: dict[str, Any]) -> dict[str, Any]:
        self._messages += 1
        return await self.send_as(self._messages, *events)

    async def send_as(self, number: int, *events: dict[str, Any]) -> dict[str, Any]:
        message = {"clientId": number, "rpc": list(events)}
        answer = await self._http.post(f"{PAGE_PATH}/UIDL/", params=self.query, json=message)
        result: dict[str, Any] = answer.raise_for_status().json()
        self.state = result if "ui" in result else self.state
        return result

    async def heartbeat(self) -> int:
        return (await self._http.post(f"{PAGE_PATH}/HEARTBEAT/", params=self.query)).status_code

    async def sign_in(self, username: str, password: str = PASSWORD) -> dict[str, Any]:
        answer = await self.send(
            {"id": self.first("ComboBox")["id"], "event": "value", "value": username},
            {"id": self.first("PasswordField")["id"], "event": "value", "value": password},
            {"id": self.primary_buttons()[0]["id"], "event": "click"},
        )
        if answer.get("reload"):
            await self.load()
        return answer

    async def click(self, button: dict[str, Any]) -> dict[str, Any]:
        return await self.send({"id": button["id"], "event": "click"})

    def all(self, kind: str) -> list[dict[str, Any]]:
        return [each for each in _walk(self.state["ui"]) if each["type"] == kind]

    def first(self, kind: str) -> dict[str, Any]:
        return self.all(kind)[0]

    def primary_buttons(self) -> list[dict[str, Any]]:
        return [each for each in self.all("Button") if "primary" in each["styles"]]

    def texts(self) -> list[str]:
        return [each["html"] for each in self.all("Label")]


def _walk(component: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield component
    for child in component.get("children", []):
        yield from _walk(child)


@asynccontextmanager
async def raw_portal(simulator: PortalSimulator) -> AsyncIterator[httpx.AsyncClient]:
    async with simulator.serving() as url, httpx.AsyncClient(base_url=url, trust_env=False, timeout=PATIENCE) as http:
        await control(http, "students", username="a_student", password=PASSWORD)
        yield http


def _cookies(http: httpx.AsyncClient) -> str:
    return "; ".join(f"{name}={value}" for name, value in http.cookies.items())


async def control(http: httpx.AsyncClient, path: str, **body: Any) -> Any:
    return (await http.post(f"/control/{path}", json=body)).raise_for_status().json()


async def events(http: httpx.AsyncClient, *names: str) -> list[dict[str, Any]]:
    return [line for line in (await http.get("/control/log")).json() if not names or line["event"] in names]


async def test_first_answer_is_nearly_empty_and_starts_a_session() -> None:
    """The address redirects to one with a slash, which has an empty root, system messages and session cookies."""
    async with (
        PortalSimulator().serving() as url,
        httpx.AsyncClient(base_url=url, trust_env=False, timeout=PATIENCE) as http,
    ):
        redirect = await http.get(PAGE_PATH)
        assert (redirect.status_code, redirect.headers["location"]) == (302, PAGE)
        page = await http.get(PAGE)
        cookies = page.headers.get_list("set-cookie")
        assert page.status_code == 200
        assert f'<div id="{APP}" class=" v-app r5">' in page.text
        assert "input" not in page.text
        assert '"sessExpMsg": {"caption": "Время сеанса истекло"' in page.text
        assert any(each.startswith("JSESSIONID=") and "HttpOnly" in each for each in cookies)
        assert any(each.startswith("route=") for each in cookies)


async def test_form_waits_for_the_device() -> None:
    """The login form, Kazakh by default, is drawn only after the page has sent its device id."""
    async with raw_portal(PortalSimulator()) as http:
        page = RawPage(http)
        await page.load(device=None)
        assert page.state["ui"] is None
        await page.send({"event": "device", "value": "d1"})
        assert page.primary_buttons()[0]["caption"] == "Кіру"
        assert [line["detail"] for line in await events(http, "device")] == ["d1"]


async def test_language_of_all_pages() -> None:
    """A language that is set is shown whatever the page's cookie asks for."""
    async with raw_portal(PortalSimulator()) as http:
        await control(http, "behaviour", language="en")
        http.cookies.set("r5-locale", "ru")
        page = RawPage(http)
        await page.load()
        assert page.primary_buttons()[0]["caption"] == "Log in"


async def test_push_is_for_pages_loaded_with_it() -> None:
    """Only a page loaded with push on gets a WebSocket, and on it live lessons and its session's end."""
    async with raw_portal(PortalSimulator()) as http, ClientSession(base_url=str(http.base_url)) as web_socket:
        page = RawPage(http)
        await page.load()
        await page.sign_in("a_student")
        assert (await http.get(f"{PAGE_PATH}/PUSH", params=page.query)).status_code == 403
        await control(http, "behaviour", push=True)
        assert (await page.load())["push"]
        await control(http, "behaviour", push=False)
        async with web_socket.ws_connect(
            f"{PAGE_PATH}/PUSH", params=page.query, headers={"Cookie": _cookies(http)}
        ) as line:
            await control(http, "lessons", **LESSON | {"subject": "Silent"})
            await control(http, "lessons", **LESSON | {"subject": "Live"}, live=True)
            page.state = await line.receive_json(timeout=PATIENCE)
            assert [text.partition("<br>")[0] for text in page.texts() if "<br>" in text] == ["Live"]
            await control(http, "expire")
            assert (await line.receive_json(timeout=PATIENCE))["appError"]["caption"] == "Время сеанса истекло"


@pytest.mark.parametrize("registered", ["a_student", "A_Student@kbtu.kz"])
@pytest.mark.parametrize("typed", ["a_student", "A_STUDENT", "a_student@kbtu.kz", " a_student@KBTU.kz "])
async def test_username_forms(registered: str, typed: str) -> None:
    """A student can sign in with the bare name or the e-mail form, in any case."""
    async with (
        PortalSimulator().serving() as url,
        httpx.AsyncClient(base_url=url, trust_env=False, timeout=PATIENCE) as http,
    ):
        await control(http, "students", username=registered, password=PASSWORD)
        page = RawPage(http)
        await page.load()
        await page.sign_in(typed)
        assert [line["username"] for line in await events(http, "signed_in")] == [registered]


async def test_username_box_suggests_what_was_typed_before() -> None:
    """A filter returns the earlier values that begin with it; only a value event changes the chosen value."""
    async with raw_portal(PortalSimulator()) as http:
        page = RawPage(http)
        await page.load()
        box = page.first("ComboBox")["id"]
        for typed in ("a_student", "B_Student", "a_student"):
            await page.send({"id": box, "event": "value", "value": typed})
        seen = {}
        for typed in ("B_", "x", ""):
            await page.send({"id": box, "event": "filter", "value": typed})
            state = page.first("ComboBox")
            assert (state["filter"], state["value"]) == (typed.lower(), "a_student")
            seen[typed] = state["suggestions"]
        assert seen == {"B_": ["B_Student"], "x": [], "": ["a_student", "B_Student"]}


async def test_click_on_a_replaced_button_is_ignored() -> None:
    """After a redraw a click with the old button's id has no effect and is not logged."""
    async with raw_portal(PortalSimulator()) as http:
        for name in ("One", "Two"):
            await control(http, "lessons", **LESSON | {"subject": name})
        page = RawPage(http)
        await page.load()
        await page.sign_in("a_student")
        first, second = page.primary_buttons()
        await page.click(first)
        await page.click(second)
        assert [line["lesson"] for line in await events(http, "click")] == [1]


async def test_no_password_in_any_answer_of_the_control_api() -> None:
    """Neither the right nor a wrong password appears in the log or in the list of students."""
    async with raw_portal(PortalSimulator()) as http:
        page = RawPage(http)
        await page.load()
        await page.sign_in("a_student", "a wrong one")
        await page.send({"id": page.state["windows"][0]["id"], "event": "close"})
        await page.sign_in("a_student")
        everything = (await http.get("/control/log")).text + (await http.get("/control/students")).text
        assert [line["event"] for line in await events(http, "refused", "signed_in")] == [
            "refused",
            "signed_in",
        ]
        assert PASSWORD not in everything
        assert "a wrong one" not in everything


async def test_empty_password_is_refused() -> None:
    """An empty password is refused for known and unknown names."""
    async with raw_portal(PortalSimulator()) as http:
        for username in ("a_student", "nobody", ""):
            page = RawPage(http)
            await page.load()
            assert not (await page.sign_in(username, ""))["reload"]
        assert await events(http, "signed_in") == []


async def test_second_mark_is_only_logged() -> None:
    """Clicks of one student on one lesson from two pages make one mark."""
    async with raw_portal(PortalSimulator()) as http:
        lesson = (await control(http, "lessons", **LESSON))["id"]
        first, second = RawPage(http), RawPage(http)
        await first.load()
        await first.sign_in("a_student")
        await second.load()
        for page in (first, second):
            await page.click(page.primary_buttons()[0])
        marks = (await http.get("/control/marks")).json()
        assert [(mark["lesson"], mark["username"]) for mark in marks] == [(lesson, "a_student")]
        assert datetime.fromisoformat(marks[0]["at"]).tzinfo is not None
        assert [line["event"] for line in await events(http, "click", "marked", "already_marked")] == [
            "click",
            "marked",
            "click",
            "already_marked",
        ]
        assert second.primary_buttons()[0]["disabled"]


async def test_repeated_message_is_executed_once() -> None:
    """A message repeated after a lost connection is answered, but its click is not executed again."""
    async with raw_portal(PortalSimulator()) as http:
        await control(http, "lessons", **LESSON)
        page = RawPage(http)
        await page.load()
        await page.sign_in("a_student")
        click = {"id": page.primary_buttons()[0]["id"], "event": "click"}
        await page.send_as(50, click)
        answer = await page.send_as(50, click)
        assert page.primary_buttons()[0]["disabled"]
        assert "appError" not in answer
        assert len(await events(http, "click")) == 1


async def test_lesson_closes_by_the_monotonic_clock() -> None:
    """After its minutes a lesson is closed, a late click marks nothing, and a reload removes the card."""
    clock = FakeClock()
    async with raw_portal(PortalSimulator(clock=clock)) as http:
        opened = await control(http, "lessons", **LESSON, minutes=2)
        page = RawPage(http)
        await page.load()
        await page.sign_in("a_student")
        assert opened["minutes_left"] == 2
        clock.now += 61
        assert (await http.get("/control/lessons")).json()[0]["minutes_left"] == 1
        clock.now += 59
        assert (await http.get("/control/lessons")).json()[0]["open"] is False
        await page.click(page.primary_buttons()[0])
        assert (await http.get("/control/marks")).json() == []
        assert [line["event"] for line in await events(http, "closed", "too_late")] == ["closed", "too_late"]
        await page.load()
        assert page.primary_buttons() == []


async def test_lessons_are_for_the_named_students() -> None:
    """A lesson opened for one student is not shown to others; cards are in the order of opening."""
    async with raw_portal(PortalSimulator()) as http:
        await control(http, "students", username="b_student", password=PASSWORD)
        await control(http, "lessons", **LESSON | {"subject": "One"}, students=["A_student@kbtu.kz"])
        await control(http, "lessons", **LESSON | {"subject": "All"})
        seen = {}
        for username in ("a_student", "b_student"):
            http.cookies.clear()
            page = RawPage(http)
            await page.load()
            await page.sign_in(username)
            seen[username] = [text.partition("<br>")[0] for text in page.texts() if "<br>" in text]
            await page.click(page.primary_buttons()[0])
        assert seen == {"a_student": ["One", "All"], "b_student": ["All"]}
        assert [lesson["marked"] for lesson in (await http.get("/control/lessons")).json()] == [
            ["a_student"],
            ["b_student"],
        ]


async def test_without_its_route_a_session_is_not_found() -> None:
    """Without the sticky cookie a round trip reports an expired session, and a page load creates a new one."""
    async with raw_portal(PortalSimulator()) as http:
        page = RawPage(http)
        await page.load()
        await page.sign_in("a_student")
        http.cookies.delete("route")
        answer = await page.send()
        assert answer["appError"]["caption"] == "Время сеанса истекло"
        await page.load()
        assert page.first("PasswordField")
        assert await page.heartbeat() == 200


async def test_without_its_session_cookie_a_page_reports_disabled_cookies() -> None:
    """A round trip without any session cookie gets the notification about disabled cookies."""
    async with raw_portal(PortalSimulator()) as http:
        page = RawPage(http)
        await page.load()
        http.cookies.clear()
        assert (await page.send())["appError"]["caption"] == "Cookies отключены"


async def test_expiry_of_one_student_leaves_the_others() -> None:
    """`expire` with a name ends only that student's sessions; their heartbeats then get status 410."""
    async with raw_portal(PortalSimulator()) as http:
        await control(http, "students", username="b_student", password=PASSWORD)
        async with httpx.AsyncClient(base_url=http.base_url, trust_env=False, timeout=PATIENCE) as other:
            pages = {"a_student": RawPage(http), "b_student": RawPage(other)}
            for username, page in pages.items():
                await page.load()
                await page.sign_in(username)
            assert await control(http, "expire", username="b_student@kbtu.kz") == {"expired": 1}
            assert await pages["a_student"].heartbeat() == 200
            assert await pages["b_student"].heartbeat() == 410
            assert [line["username"] for line in await events(http, "expired")] == ["b_student"]


async def test_reload_replaces_the_ui_of_the_tab() -> None:
    """A tab has one UI however often it is loaded; requests of earlier pages are refused."""
    async with raw_portal(PortalSimulator()) as http:
        page = RawPage(http)
        await page.load()
        before = page.query
        for _ in range(3):
            await page.load()
        assert (await http.get("/control/sessions")).json() == {"sessions": 1, "uis": 1}
        assert await page.heartbeat() == 200
        page.query = before
        assert await page.heartbeat() == 404
        assert (await page.send())["appError"]["caption"] == "Время сеанса истекло"


async def test_closed_tab_leaves_a_ui_until_its_heartbeats_are_missing() -> None:
    """The UIs of closed tabs are removed 372 s after their last heartbeat, and the session stays."""
    clock = FakeClock()
    async with raw_portal(PortalSimulator(clock=clock)) as http:
        pages = [RawPage(http) for _ in range(3)]
        for page in pages:
            await page.load()
        assert (await http.get("/control/sessions")).json() == {"sessions": 1, "uis": 3}
        clock.now += 371
        assert await pages[0].heartbeat() == 200
        clock.now += 2
        assert (await http.get("/control/sessions")).json() == {"sessions": 1, "uis": 1}
        assert [await page.heartbeat() for page in pages] == [200, 404, 404]


async def test_idle_session_ends() -> None:
    """A session without requests for its time-out ends."""
    clock = FakeClock()
    async with raw_portal(PortalSimulator(clock=clock, idle_session_seconds=600)) as http:
        page = RawPage(http)
        await page.load()
        clock.now += 601
        assert (await http.get("/control/sessions")).json() == {"sessions": 0, "uis": 0}


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "behaviour", {"slow": 1}, 400),
        ("POST", "behaviour", {"slow_ms": -1}, 400),
        ("POST", "behaviour", {"push": 1}, 400),
        ("POST", "behaviour", {"status": 200}, 400),
        ("POST", "behaviour", {"language": "fr"}, 400),
        ("POST", "students", {"username": "x"}, 400),
        ("POST", "students", {"username": " ", "password": "x"}, 400),
        ("POST", "students", {"username": "x", "password": "x", "group": 1}, 400),
        ("POST", "lessons", {"subject": "x"}, 400),
        ("POST", "lessons", LESSON | {"minutes": 0}, 400),
        ("POST", "lessons", LESSON | {"students": ["nobody"]}, 404),
        ("POST", "expire", {"username": "nobody"}, 404),
        ("DELETE", "lessons/7", None, 404),
        ("DELETE", "lessons/x", None, 400),
        ("GET", "log?since=x", None, 400),
        ("GET", "nothing", None, 404),
        ("POST", "reset", [1], 200),
        ("POST", "behaviour", [1], 400),
    ],
)
async def test_control_api_refuses_wrong_requests(method: str, path: str, body: Any, status: int) -> None:
    """A wrong control request is refused with the reason, and changes nothing."""
    async with raw_portal(PortalSimulator()) as http:
        before = (await http.get("/control/behaviour")).json()
        answer = await http.request(method, f"/control/{path}", json=body)
        assert answer.status_code == status
        assert ("error" in answer.json()) == (status != 200)
        assert (await http.get("/control/behaviour")).json() == before
        assert (await http.get("/control/lessons")).json() == []


async def test_reset() -> None:
    """A reset removes students, lessons, marks, sessions, faults and log entries."""
    async with raw_portal(PortalSimulator()) as http:
        usual = (await http.get("/control/behaviour")).json()
        await control(http, "lessons", **LESSON)
        await control(http, "behaviour", swallow_clicks=3, push=True)
        await RawPage(http).load()
        await control(http, "reset")
        for path in ("students", "lessons", "marks", "log"):
            assert (await http.get(f"/control/{path}")).json() == []
        assert (await http.get("/control/sessions")).json() == {"sessions": 0, "uis": 0}
        assert (await http.get("/control/behaviour")).json() == usual


async def test_log_since() -> None:
    """Log entries are numbered from 1 and can be read from a number on."""
    async with raw_portal(PortalSimulator()) as http:
        await control(http, "lessons", **LESSON)
        await control(http, "lessons", **LESSON)
        assert [line["n"] for line in await events(http)] == [1, 2]
        assert [line["lesson"] for line in (await http.get("/control/log?since=1")).json()] == [2]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_alone_it_prints_its_address_and_stops_cleanly(number: signal.Signals) -> None:
    """`python -m sandbox.portal` prints its URL, and a signal ends it with status 0 and no more output."""
    command = [sys.executable, "-m", "sandbox.portal", "--port", "0"]
    with children.start(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            assert httpx.get(address, follow_redirects=True, trust_env=False, timeout=PATIENCE).status_code == 200
            process.send_signal(number)
            assert process.communicate(timeout=PATIENCE) == ("", "")
            assert process.returncode == 0
        finally:
            process.kill()
