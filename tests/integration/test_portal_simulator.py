"""The portal simulator, met as a browser meets it: with a real headless Chrome, and with bare HTTP."""

import asyncio
import json
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from aiohttp import web
from selenium import webdriver
from selenium.common.exceptions import ElementClickInterceptedException, WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support import expected_conditions as expected
from selenium.webdriver.support.ui import WebDriverWait

from sandbox.portal import PortalSimulator
from sandbox.portal_files import PAGE_PATH

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "correct horse"
LESSON = {"subject": "Algorithms <1>", "teacher": "A. Teacher", "time": "Л27 (15:00 - 16:00)"}
APP = "RegistrationOnline-1674962804"
# Where one of the public scripts for the portal finds the button, counted from the page's root.
PUBLIC_XPATH = f'//*[@id="{APP}"]/div/div[2]/div/div[2]/div/div/div/div/div/div/div[3]/div'
IDLE = """
    const client = window.vaadin && vaadin.clients && vaadin.clients.RegistrationOnline;
    return Boolean(client) && !client.initializing && !client.isActive();
"""


class FakeClock:
    """Both clocks, moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def wall(self) -> datetime:
        return datetime.fromtimestamp(self.now, UTC)

    def monotonic(self) -> float:
        return self.now


# --- bare HTTP


class RawPage:
    """The portal's client without a browser: it loads the page and makes round trips."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._messages = 0
        self.state: dict[str, Any] = {}

    async def load(self, device: str | None = "d1") -> None:
        (await self._http.get(PAGE_PATH)).raise_for_status()
        details = (await self._http.post(f"{PAGE_PATH}/", data={"v-browserDetails": "1"})).json()
        self._query, self.state = {"v-uiId": str(details["v-uiId"])}, details["uidl"]
        if device is not None:
            await self.send({"event": "device", "value": device})

    async def send(self, *events: dict[str, Any]) -> dict[str, Any]:
        self._messages += 1
        return await self.send_as(self._messages, *events)

    async def send_as(self, number: int, *events: dict[str, Any]) -> dict[str, Any]:
        message = {"clientId": number, "rpc": list(events)}
        answer = await self._http.post(f"{PAGE_PATH}/UIDL/", params=self._query, json=message)
        result: dict[str, Any] = answer.raise_for_status().json()
        self.state = result if "ui" in result else self.state
        return result

    async def heartbeat(self) -> int:
        return (await self._http.post(f"{PAGE_PATH}/HEARTBEAT/", params=self._query)).status_code

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
    async with simulator.serving() as url, httpx.AsyncClient(base_url=url) as http:
        await control(http, "students", username="a_student", password=PASSWORD)
        yield http


async def control(http: httpx.AsyncClient, path: str, **body: Any) -> Any:
    return (await http.post(f"/control/{path}", json=body)).raise_for_status().json()


async def events(http: httpx.AsyncClient, *names: str) -> list[dict[str, Any]]:
    return [line for line in (await http.get("/control/log")).json() if not names or line["event"] in names]


async def test_first_answer_is_nearly_empty_and_starts_a_session() -> None:
    """Both forms of the address give an empty root div, an HttpOnly session cookie and a sticky route."""
    async with PortalSimulator().serving() as url:
        for path in (PAGE_PATH, f"{PAGE_PATH}/"):
            async with httpx.AsyncClient(base_url=url) as http:
                page = await http.get(path)
                cookies = page.headers.get_list("set-cookie")
                assert page.status_code == 200
                assert f'<div id="{APP}" class=" v-app r5">' in page.text
                assert "input" not in page.text
                assert any(each.startswith("JSESSIONID=") and "HttpOnly" in each for each in cookies)
                assert any(each.startswith("route=") for each in cookies)


async def test_form_waits_for_the_device() -> None:
    """Nothing is drawn for a stranger until the page has told its device id."""
    async with raw_portal(PortalSimulator()) as http:
        page = RawPage(http)
        await page.load(device=None)
        assert page.state["ui"] is None
        await page.send({"event": "device", "value": "d1"})
        assert page.first("PasswordField")
        assert [line["detail"] for line in await events(http, "device")] == ["d1"]


@pytest.mark.parametrize("registered", ["a_student", "A_Student@kbtu.kz"])
@pytest.mark.parametrize("typed", ["a_student", "A_STUDENT", "a_student@kbtu.kz", " a_student@KBTU.kz "])
async def test_username_forms(registered: str, typed: str) -> None:
    """A student signs in with the bare name or the e-mail form, in any case, whichever was registered."""
    async with PortalSimulator().serving() as url, httpx.AsyncClient(base_url=url) as http:
        await control(http, "students", username=registered, password=PASSWORD)
        page = RawPage(http)
        await page.load()
        await page.sign_in(typed)
        assert [line["username"] for line in await events(http, "signed_in")] == [registered]


async def test_no_password_in_any_answer_of_the_control_api() -> None:
    """Neither the right nor a wrong password shows up in the log or in the list of students."""
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


async def test_nobody_signs_in_without_a_password() -> None:
    """An empty password is refused, for a known name as for an unknown one."""
    async with raw_portal(PortalSimulator()) as http:
        for username in ("a_student", "nobody", ""):
            page = RawPage(http)
            await page.load()
            assert not (await page.sign_in(username, ""))["reload"]
        assert await events(http, "signed_in") == []


async def test_second_mark_is_only_logged() -> None:
    """Two clicks of one student on one lesson, from two pages that both offer the button, make one mark."""
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


async def test_repeated_message_is_not_done_twice() -> None:
    """A message that comes again after a lost connection is answered, but its click does not count again."""
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
    """After its minutes the lesson is closed, its card goes with a reload, and a late click marks nothing."""
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
    """A lesson opened for one student is no other's; cards stand in the order of opening."""
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
    """A lost sticky cookie looks like an expiry: the round trip says so, a page load starts anew."""
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


async def test_expiry_of_one_student_leaves_the_others() -> None:
    """`expire` with a name drops that student's sessions only, and a heartbeat then meets status 410."""
    async with raw_portal(PortalSimulator()) as http:
        await control(http, "students", username="b_student", password=PASSWORD)
        async with httpx.AsyncClient(base_url=http.base_url) as other:
            pages = {"a_student": RawPage(http), "b_student": RawPage(other)}
            for username, page in pages.items():
                await page.load()
                await page.sign_in(username)
            assert await control(http, "expire", username="b_student@kbtu.kz") == {"expired": 1}
            assert await pages["a_student"].heartbeat() == 200
            assert await pages["b_student"].heartbeat() == 410
            assert [line["username"] for line in await events(http, "expired")] == ["b_student"]


async def test_each_reload_leaves_a_ui_until_its_heartbeats_are_missing() -> None:
    """UIs add up with each load and go 372 s later, but for the one whose page still beats."""
    clock = FakeClock()
    async with raw_portal(PortalSimulator(clock=clock)) as http:
        page = RawPage(http)
        for _ in range(3):
            await page.load()
        assert (await http.get("/control/sessions")).json() == {"sessions": 1, "uis": 3}
        clock.now += 371
        assert await page.heartbeat() == 200
        clock.now += 2
        assert (await http.get("/control/sessions")).json() == {"sessions": 1, "uis": 1}
        clock.now += 373
        assert await page.heartbeat() == 410


async def test_idle_session_ends() -> None:
    """A session that nothing is heard of for its time-out is gone."""
    clock = FakeClock()
    async with raw_portal(PortalSimulator(clock=clock, idle_session_seconds=600)) as http:
        page = RawPage(http)
        await page.load()
        clock.now += 601
        assert (await http.get("/control/sessions")).json() == {"sessions": 0, "uis": 0}


async def test_page_loads_answer_with_the_set_status() -> None:
    """With a status set every page load fails with it, until it is lifted."""
    async with raw_portal(PortalSimulator()) as http:
        await control(http, "behaviour", status=503)
        assert (await http.get(PAGE_PATH)).status_code == 503
        await control(http, "behaviour", status=None)
        assert (await http.get(PAGE_PATH)).status_code == 200
        assert [line.get("detail") for line in await events(http, "page_load")] == ["503", None]


async def test_slowness() -> None:
    """A slow portal takes its time for a page load and for a round trip."""
    async with raw_portal(PortalSimulator()) as http:
        page = RawPage(http)
        await page.load()
        await control(http, "behaviour", slow_ms=120)
        loop = asyncio.get_running_loop()
        for request in (http.get(PAGE_PATH), page.send()):
            start = loop.time()
            await request
            assert loop.time() - start >= 0.12


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "behaviour", {"slow": 1}, 400),
        ("POST", "behaviour", {"slow_ms": -1}, 400),
        ("POST", "behaviour", {"push": 1}, 400),
        ("POST", "behaviour", {"status": 200}, 400),
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
async def test_control_api_says_what_is_wrong(method: str, path: str, body: Any, status: int) -> None:
    """A wrong control request is refused with its reason, and changes nothing."""
    async with raw_portal(PortalSimulator()) as http:
        before = (await http.get("/control/behaviour")).json()
        answer = await http.request(method, f"/control/{path}", json=body)
        assert answer.status_code == status
        assert ("error" in answer.json()) == (status != 200)
        assert (await http.get("/control/behaviour")).json() == before
        assert (await http.get("/control/lessons")).json() == []


async def test_reset_forgets_everything() -> None:
    """After a reset there is no student, lesson, mark, session or trouble, and the log begins anew."""
    async with raw_portal(PortalSimulator()) as http:
        usual = (await http.get("/control/behaviour")).json()
        await control(http, "lessons", **LESSON)
        await control(http, "behaviour", swallow_clicks=3, push=False, blank_username=False)
        await RawPage(http).load()
        await control(http, "reset")
        for path in ("students", "lessons", "marks", "log"):
            assert (await http.get(f"/control/{path}")).json() == []
        assert (await http.get("/control/sessions")).json() == {"sessions": 0, "uis": 0}
        assert (await http.get("/control/behaviour")).json() == usual


async def test_log_since() -> None:
    """The log is numbered from 1 and can be read from where one stopped."""
    async with raw_portal(PortalSimulator()) as http:
        await control(http, "lessons", **LESSON)
        await control(http, "lessons", **LESSON)
        assert [line["n"] for line in await events(http)] == [1, 2]
        assert [line["lesson"] for line in (await http.get("/control/log?since=1")).json()] == [2]


async def test_control_application_mounts_elsewhere() -> None:
    """The control routes work below another prefix of another application on the same loop."""
    simulator = PortalSimulator()
    page = web.Application()
    page.add_subapp("/portal", simulator.control_application())
    runner = web.AppRunner(page)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        async with httpx.AsyncClient(base_url=f"http://{host}:{port}/portal") as http:
            opened = (await http.post("/lessons", json=LESSON)).json()
            assert (await http.request("DELETE", f"/lessons/{opened['id']}")).json()["open"] is False
            assert (await http.get("/nothing")).json().keys() == {"error"}
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_alone_it_prints_its_address_and_stops_cleanly(number: signal.Signals) -> None:
    """Started alone it prints one line with its URL, and a signal ends it with status 0 and no more words."""
    command = [sys.executable, "-m", "sandbox.portal", "--port", "0"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            assert httpx.get(address).status_code == 200
            process.send_signal(number)
            assert process.communicate(timeout=10) == ("", "")
            assert process.returncode == 0
        finally:
            process.kill()


# --- a real Chrome


def _between_documents(error: WebDriverException) -> bool:
    """Whether the page was just being replaced: chromedriver 156 has more than one error for that."""
    words = ("stale element", "does not belong to the document", "execution context", "aborted by navigation")
    return any(each in str(error.msg) for each in words)


def is_stale(element: WebElement) -> bool:
    try:
        element.is_enabled()
    except WebDriverException as error:
        if not _between_documents(error):
            raise
        return True
    return False


class Portal:
    """A running simulator, and the browser that looks at it."""

    def __init__(self, url: str, driver: webdriver.Chrome) -> None:
        self.url = url
        self.driver = driver
        self._http = httpx.Client(base_url=url)

    def close(self) -> None:
        self._http.close()

    def control(self, path: str, **body: Any) -> Any:
        return self._http.post(f"/control/{path}", json=body).raise_for_status().json()

    def get(self, path: str) -> Any:
        return self._http.get(f"/control/{path}").raise_for_status().json()

    def delete(self, path: str) -> None:
        self._http.delete(f"/control/{path}").raise_for_status()

    def events(self, *names: str) -> list[str]:
        return [line["event"] for line in self.get("log") if line["event"] in names]

    def until(self, condition: Callable[[], T]) -> T:
        """Wait until the condition gives something true."""

        def settled(_: webdriver.Chrome) -> T | None:
            try:
                return condition()
            except WebDriverException as error:
                if not _between_documents(error):
                    raise
                return None

        result = WebDriverWait(self.driver, 15, poll_frequency=0.03).until(settled)
        assert result is not None
        return result

    def until_gone(self, element: WebElement) -> None:
        """Wait until the element is stale and the page is idle again."""
        self.until(lambda: is_stale(element))
        self.until(self.idle)

    def idle(self) -> bool:
        return bool(self.driver.execute_script(IDLE))

    def all(self, css: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def one(self, css: str) -> WebElement:
        """The first such element, once there is one."""
        return self.until(lambda: self.all(css))[0]

    def open(self, language: str = "ru") -> None:
        """Load the page in a language, and wait until something is drawn."""
        self.driver.get(f"{self.url}{PAGE_PATH}/VAADIN/themes/r5/flags/kz.png")
        self.driver.add_cookie({"name": "r5-locale", "value": language, "path": "/"})
        self.load()

    def load(self) -> None:
        self.driver.get(f"{self.url}{PAGE_PATH}")
        self.until(lambda: self.all(".v-label") and self.idle())

    def fill_in(self, username: str = "a_student", password: str = PASSWORD) -> None:
        self.one(".v-filterselect-input").send_keys(username, Keys.TAB)
        self.until(self.idle)
        self.one("input[type=password]").send_keys(password)

    def sign_in(self, username: str = "a_student", password: str = PASSWORD) -> None:
        """Sign in by native events, and wait for the page after the reload."""
        self.fill_in(username, password)
        form = self.one("table.v-formlayout")
        self.one(".v-button-primary").click()
        self.until(lambda: is_stale(form))
        self.until(lambda: self.all(".v-label") and self.idle())

    def cards(self) -> list[WebElement]:
        """The innermost card layouts: the root has that class as well."""
        return self.all(".v-verticallayout-card .v-verticallayout-card")

    def button(self, number: int = 0) -> WebElement:
        return self.cards()[number].find_element(By.CSS_SELECTOR, ".v-button")

    def notification(self) -> str:
        return self.one("div.v-Notification.v-Notification-system h1.v-Notification-caption").text


@pytest.fixture(scope="module")
def driver() -> Iterator[webdriver.Chrome]:
    chrome = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    chromedriver = shutil.which("chromedriver")
    if chrome is None or chromedriver is None:
        pytest.skip("no Chromium with its driver on PATH")
    options = webdriver.ChromeOptions()
    options.binary_location = chrome
    options.unhandled_prompt_behavior = "ignore"
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1280,900"):
        options.add_argument(argument)
    browser = webdriver.Chrome(options=options, service=Service(chromedriver))
    try:
        browser.set_page_load_timeout(30)
        yield browser
    finally:
        browser.quit()


@contextmanager
def portal_in_thread(simulator: PortalSimulator) -> Iterator[str]:
    """Serve on a loop of its own, so that the test's thread is free for Selenium."""
    ready: list[str] = []
    started, stop = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with simulator.serving() as url:
            ready.append(url)
            started.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        assert started.wait(10)
        yield ready[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(15)
        loop.close()


@contextmanager
def visited(simulator: PortalSimulator, driver: webdriver.Chrome) -> Iterator[Portal]:
    # Cookies do not know ports: those of the test before would be sent to the next simulator.
    driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
    with portal_in_thread(simulator) as url:
        portal = Portal(url, driver)
        try:
            portal.control("students", username="a_student", password=PASSWORD)
            yield portal
        finally:
            driver.get("about:blank")
            portal.close()


@pytest.fixture
def portal(driver: webdriver.Chrome) -> Iterator[Portal]:
    with visited(PortalSimulator(), driver) as opened:
        yield opened


browser = pytest.mark.browser


@browser
def test_login_form_is_drawn_by_script_in_kazakh(portal: Portal) -> None:
    """Without a language cookie the form is Kazakh: combo box, password, checkbox and a div as button."""
    portal.load()
    form = portal.one("table.v-formlayout")
    assert "Жүйеге кіру" in [label.text for label in portal.all("div.v-label")]
    assert "Қолданушы" in form.text
    assert form.find_element(By.CSS_SELECTOR, "div.v-filterselect > input[type=text].v-filterselect-input")
    assert form.find_element(By.CSS_SELECTOR, "input[type=password].v-textfield")
    assert form.find_element(By.CSS_SELECTOR, "span.v-checkbox > input[type=checkbox] + label")
    button = "div[role=button].v-button.v-button-primary > span.v-button-wrap > span.v-button-caption"
    assert form.find_element(By.CSS_SELECTOR, button).text == "Кіру"
    assert portal.all(f"#{APP}.v-app ~ #{APP}-overlays")


@browser
def test_device_is_known_before_the_form_and_stays_the_same(portal: Portal) -> None:
    """The device id is sent before the form is drawn, and a profile keeps it over reloads."""
    portal.load()
    first = [line["detail"] for line in portal.get("log") if line["event"] == "device"]
    portal.control("expire")
    portal.load()
    devices = [line["detail"] for line in portal.get("log") if line["event"] == "device"]
    assert len(first) == 1
    assert devices == first * 2


@browser
def test_typed_username_is_blank_until_the_server_has_answered(portal: Portal) -> None:
    """After Tab the combo box is empty while the client is active, and shows the value once it is idle."""
    portal.open()
    portal.control("behaviour", slow_ms=400)
    field = portal.one(".v-filterselect-input")
    field.send_keys("a_student")
    assert portal.idle()
    field.send_keys(Keys.TAB)
    blank, active = portal.driver.execute_script(
        "return [arguments[0].value, vaadin.clients.RegistrationOnline.isActive()]", field
    )
    assert (blank, active) == ("", True)
    portal.until(portal.idle)
    assert field.get_property("value") == "a_student"


@browser
def test_username_may_stay_and_counts_with_enter(portal: Portal) -> None:
    """With `blank_username` off the typed value stays; Enter counts as Tab does, and signs nobody in."""
    portal.control("behaviour", slow_ms=300, blank_username=False)
    portal.open()
    field = portal.one(".v-filterselect-input")
    field.send_keys("a_student", Keys.ENTER)
    assert not portal.idle()
    assert field.get_property("value") == "a_student"
    portal.until(portal.idle)
    assert portal.all("table.v-formlayout")
    assert not portal.all(".v-window")


@browser
def test_sign_in_reloads_and_everything_goes_stale(portal: Portal) -> None:
    """A right password brings a reload: the old nodes are stale and the attendance view is there."""
    portal.open()
    field = portal.one("input[type=password]")
    portal.sign_in()
    assert is_stale(field)
    assert portal.events("page_load") == ["page_load"] * 2
    assert portal.driver.current_url == f"{portal.url}{PAGE_PATH}"


@browser
def test_enter_in_the_password_field_signs_in(portal: Portal) -> None:
    """Enter in the password field sends it and presses the button, as a public script relies on."""
    portal.open()
    portal.fill_in()
    portal.one("input[type=password]").send_keys(Keys.ENTER)
    portal.until(lambda: "signed_in" in portal.events("signed_in", "refused"))


@browser
def test_click_by_script_loses_the_password(portal: Portal) -> None:
    """A script's click skips the blur, so the server has no password and refuses; a native one works."""
    portal.open()
    portal.fill_in()
    portal.driver.execute_script("arguments[0].click()", portal.one(".v-button-primary"))
    window = portal.one("div.v-window.global-error.v-window-global-error")
    assert window.find_element(By.CSS_SELECTOR, ".v-label").text == "Неверный логин или пароль."
    portal.one(".v-window-closebox").click()
    portal.until(lambda: not portal.all(".v-window"))
    portal.one(".v-button-primary").click()
    portal.until(lambda: portal.events("refused", "signed_in") == ["refused", "signed_in"])


@browser
@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("kk", "Логин немесе құпиясөз қате."),
        ("ru", "Неверный логин или пароль."),
        ("en", "Invalid login or password"),
    ],
)
def test_curtain_of_the_refusal_blocks_clicks(portal: Portal, language: str, words: str) -> None:
    """A wrong password opens a modal window; its curtain takes all clicks until Escape closes it."""
    portal.open(language)
    portal.fill_in(password="wrong")
    portal.one(".v-button-primary").click()
    assert portal.one(".v-window-global-error .v-label").text == words
    assert portal.all(f"#{APP}-overlays > .v-window-modalitycurtain")
    with pytest.raises(ElementClickInterceptedException):
        portal.one(".v-checkbox > input").click()
    portal.one(".v-window").send_keys(Keys.ESCAPE)
    portal.until(lambda: not portal.all(".v-window, .v-window-modalitycurtain"))
    portal.one(".v-checkbox > input").click()


@browser
def test_blocked_account_sees_the_reason_only(portal: Portal) -> None:
    """A blocked student's page has the reason, no form and no card."""
    portal.control("students", username="a_student", password=PASSWORD, blocked="оплата")
    portal.control("lessons", **LESSON)
    portal.open("kk")
    portal.sign_in()
    text = portal.one(".v-information-component-error .v-label").text
    assert text == "Пайдаланушы бұғатталған. Себеп: оплата"
    assert not portal.all("input[type=password]")
    assert not portal.cards()
    assert portal.events("signed_in", "blocked") == ["blocked"]


@browser
@pytest.mark.parametrize(
    ("language", "words"),
    [("kk", "Қолжетімді пәндер жоқ"), ("ru", "Нет доступных дисциплин"), ("en", "No available disciplines")],
)
def test_nothing_open(portal: Portal, language: str, words: str) -> None:
    """With nothing open there is a label that says so and no card, though the root has the card class."""
    portal.open(language)
    portal.sign_in()
    assert words in [label.text for label in portal.all("div.v-label")]
    assert portal.all(f"#{APP} > .v-ui > .v-verticallayout-card")
    assert not portal.cards()


@browser
@pytest.mark.parametrize(
    ("language", "countdown", "offer", "done"),
    [
        ("kk", "10 минут қалды", "Белгілену", "Белгіленді"),
        ("ru", "Осталось 10 минут", "Отметиться", "Отмечен"),
        ("en", "10 minutes left", "Mark attendance", "Marked"),
    ],
)
def test_mark(portal: Portal, language: str, countdown: str, offer: str, done: str) -> None:
    """The card has its four lines and one button; after the click it stays, disabled, also over a reload."""
    portal.control("lessons", **LESSON)
    portal.open(language)
    portal.sign_in()
    label = portal.cards()[0].find_element(By.CSS_SELECTOR, ".v-label-bold")
    assert label.text.splitlines() == [LESSON["subject"], LESSON["teacher"], LESSON["time"], countdown]
    assert label.get_property("innerHTML").count("<br>") == 3  # type: ignore[union-attr]
    button = portal.button()
    assert [each.text for each in portal.driver.find_elements(By.XPATH, PUBLIC_XPATH)] == [offer]
    assert (button.text, button.get_attribute("tabindex")) == (offer, "0")
    button.click()
    portal.until_gone(button)
    for _ in range(2):
        button = portal.button()
        assert button.text == done
        assert "v-disabled" in str(button.get_attribute("class"))
        assert button.get_attribute("aria-disabled") == "true"
        assert button.get_attribute("tabindex") == "-1"
        assert button.is_enabled()  # a div always is, for Selenium
        portal.load()
    button = portal.button()
    button.click()
    assert portal.events("click", "marked") == ["click", "marked"]


@browser
def test_marking_one_card_makes_the_others_stale(portal: Portal) -> None:
    """A mark re-draws the page: the reference to the next card's button is of no use any more."""
    for number in range(2):
        portal.control("lessons", **LESSON | {"subject": f"Subject {number}"})
    portal.open()
    portal.sign_in()
    first, second = portal.button(0), portal.button(1)
    first.click()
    portal.until_gone(second)
    portal.button(1).click()
    portal.until(lambda: len(portal.get("marks")) == 2)


@browser
def test_home_redraws_and_flags_switch_the_language(portal: Portal) -> None:
    """Home gives new nodes and marks nothing; a flag sets the cookie and reloads in its language."""
    portal.control("lessons", **LESSON)
    portal.open()
    portal.sign_in()
    button = portal.button()
    portal.until(lambda: portal.all(".v-horizontallayout-header .v-button"))[0].click()
    portal.until_gone(button)
    button = portal.button()
    portal.one('img.v-icon[src*="flags/gb.png"]').click()
    portal.until(lambda: is_stale(button))
    portal.until(lambda: portal.cards() and portal.idle())
    assert portal.button().text == "Mark attendance"
    cookie = portal.driver.get_cookie("r5-locale")
    assert cookie is not None
    assert cookie["value"] == "en"
    assert portal.get("marks") == []


@browser
def test_lesson_that_is_not_live_needs_a_reload(portal: Portal) -> None:
    """A lesson without `live` comes and goes with a reload only, while a live one needs none."""
    portal.open()
    portal.sign_in()
    silent = portal.control("lessons", **LESSON | {"subject": "Silent"})
    live = portal.control("lessons", **LESSON | {"subject": "Live"}, live=True)
    portal.until(lambda: portal.cards())
    assert [card.text.splitlines()[0] for card in portal.cards()] == ["Live"]
    assert portal.idle()
    portal.load()
    assert [card.text.splitlines()[0] for card in portal.cards()] == ["Silent", "Live"]
    portal.delete(f"lessons/{silent['id']}")
    portal.delete(f"lessons/{live['id']}")
    portal.until(lambda: len(portal.cards()) == 1)
    assert portal.cards()[0].text.startswith("Silent")
    portal.load()
    assert not portal.cards()


@browser
def test_live_lesson_closes_on_the_open_page_when_its_time_is_over(portal: Portal) -> None:
    """A live card goes by itself at its end: one timer on the server, nothing asked by the page."""
    portal.open()
    portal.sign_in()
    portal.control("lessons", **LESSON, live=True, minutes=0.03)
    # Only the page is looked at: a question to the control API would notice the end as well.
    portal.until(portal.cards)
    portal.until(lambda: portal.all(".v-label") and not portal.cards())
    assert portal.events("seen", "closed", "heartbeat") == ["seen", "closed"]


@browser
def test_without_push_live_lessons_wait_too(portal: Portal) -> None:
    """With `push` off nothing reaches the open page: the next round trip brings no new card either."""
    portal.control("behaviour", push=False)
    portal.open()
    portal.sign_in()
    portal.control("lessons", **LESSON, live=True)
    label = portal.one(".v-label")
    portal.all(".v-horizontallayout-header .v-button")[0].click()
    portal.until_gone(label)
    assert not portal.cards()
    portal.load()
    assert len(portal.cards()) == 1


@browser
def test_loading_indicator_comes_after_a_moment(portal: Portal) -> None:
    """During a long round trip the client is active and, a little later, the indicator is displayed."""
    portal.control("lessons", **LESSON)
    portal.open()
    portal.sign_in()
    portal.control("behaviour", slow_ms=1000)
    indicator = portal.one(".v-loading-indicator")
    assert not indicator.is_displayed()
    portal.button().click()
    assert not portal.idle()
    portal.until(indicator.is_displayed)
    portal.until(portal.idle)
    assert not indicator.is_displayed()


@browser
def test_session_that_is_gone_shows_at_the_next_round_trip(portal: Portal) -> None:
    """After an expiry the page looks alive until a click, then stops; a reload shows the login view."""
    portal.control("lessons", **LESSON)
    portal.open("kk")
    portal.sign_in()
    portal.control("expire", username="a_student")
    button = portal.button()
    button.click()
    assert portal.notification() == "Время сеанса истекло"
    assert portal.idle()
    button.click()
    assert portal.events("click", "marked", "session_not_found") == ["session_not_found"]
    portal.load()
    assert portal.all("input[type=password]")


@browser
def test_heartbeat_finds_out_that_the_session_is_gone(driver: webdriver.Chrome) -> None:
    """An open page that nobody touches learns of its expiry from its heartbeat."""
    with visited(PortalSimulator(heartbeat_seconds=0.3), driver) as portal:
        portal.open()
        portal.sign_in()
        portal.until(lambda: portal.events("heartbeat"))
        portal.control("expire")
        assert portal.notification() == "Время сеанса истекло"


@browser
@pytest.mark.parametrize(
    ("behaviour", "caption"),
    [
        ("communication_problem", "Проблема со связью"),
        ("authentication_problem", "Проблема аутентификации"),
    ],
)
def test_failing_round_trips_are_notified(portal: Portal, behaviour: str, caption: str) -> None:
    """Refused round trips end the application with a Russian notification, whatever the language."""
    portal.control("lessons", **LESSON)
    portal.open("en")
    portal.sign_in()
    portal.control("behaviour", **{behaviour: True})
    portal.button().click()
    assert portal.notification() == caption
    assert portal.get("marks") == []


@browser
def test_lost_connection_is_tried_again(portal: Portal) -> None:
    """While connections are cut the reconnect dialog stands there; afterwards the click is done, once."""
    portal.control("lessons", **LESSON)
    portal.open()
    portal.sign_in()
    portal.control("behaviour", connection_lost=True)
    portal.button().click()
    portal.one(".v-reconnect-dialog")
    assert portal.all("body.v-reconnecting")
    assert not portal.idle()
    portal.control("behaviour", connection_lost=False)
    portal.until(portal.idle)
    assert not portal.all(".v-reconnect-dialog")
    assert not portal.all("body.v-reconnecting")
    assert portal.events("click", "marked") == ["click", "marked"]


@browser
def test_bootstrap_failure_alerts(portal: Portal) -> None:
    """Where the bootstrap script cannot be loaded the page alerts, and the next good load works."""
    portal.open()
    portal.control("behaviour", bootstrap_failure=True)
    portal.driver.get(f"{portal.url}{PAGE_PATH}")
    alert = portal.until(lambda: expected.alert_is_present()(portal.driver))
    assert isinstance(alert, webdriver.common.alert.Alert)
    assert alert.text.startswith("Failed to load the bootstrap javascript: ")
    alert.accept()
    portal.control("behaviour", bootstrap_failure=False)
    portal.load()


@browser
def test_stuck_page_never_becomes_ready(portal: Portal) -> None:
    """A stuck page is complete for the browser but stays initializing, until the trouble is lifted."""
    portal.open()
    portal.control("behaviour", stuck_loading=True)
    portal.driver.get(f"{portal.url}{PAGE_PATH}")
    client = "vaadin.clients.RegistrationOnline"
    state = f"return [{client}.initializing, {client}.isActive(), document.readyState]"
    assert portal.driver.execute_script(state) == [True, True, "complete"]
    assert portal.all(".v-app-loading")
    portal.control("behaviour", stuck_loading=False)
    portal.until(lambda: portal.all("input[type=password]"))
    assert not portal.all(".v-app-loading")


@browser
def test_page_left_while_stuck_leaves_no_ui(portal: Portal) -> None:
    """A page that is closed before it got its UI adds none when the trouble is lifted."""
    portal.open()
    portal.control("behaviour", stuck_loading=True)
    for _ in range(2):
        portal.driver.get(f"{portal.url}{PAGE_PATH}")
    portal.control("behaviour", stuck_loading=False)
    portal.until(lambda: portal.all("input[type=password]"))
    assert portal.get("sessions") == {"sessions": 1, "uis": 2}


@browser
def test_unknown_view(portal: Portal) -> None:
    """The unknown view has neither cards nor the label that says there is nothing."""
    portal.control("behaviour", unknown_view=True)
    portal.control("lessons", **LESSON)
    portal.open()
    portal.sign_in()
    assert not portal.cards()
    assert not portal.all("input[type=password], .v-window, .v-information-component-error")
    assert "Нет доступных дисциплин" not in portal.one("body").text


@browser
@pytest.mark.parametrize(("language", "yes"), [("kk", "Иә"), ("ru", "Да"), ("en", "Yes")])
def test_confirmation(portal: Portal, language: str, yes: str) -> None:
    """With the dialog on only its yes button marks; no and the close box leave the lesson open."""
    portal.control("behaviour", confirm_dialog=True)
    portal.control("lessons", **LESSON)
    portal.open(language)
    portal.sign_in()
    for way_out in (".v-window .v-button:not(.v-button-primary)", ".v-window-closebox"):
        portal.button().click()
        portal.one(way_out).click()
        portal.until(lambda: not portal.all(".v-window") and portal.idle())
        assert portal.get("marks") == []
    button = portal.button()
    button.click()
    window = portal.one(".v-window")
    assert "global-error" not in str(window.get_attribute("class"))
    choices = {each.text: each for each in window.find_elements(By.CSS_SELECTOR, ".v-button")}
    assert portal.get("marks") == []
    choices[yes].click()
    portal.until_gone(button)
    assert "v-disabled" in str(portal.button().get_attribute("class"))
    assert len(portal.get("marks")) == 1


@browser
def test_swallowed_click_changes_nothing(portal: Portal) -> None:
    """A swallowed click is answered with the page as it was, same nodes; the next one counts."""
    portal.control("behaviour", swallow_clicks=1)
    portal.control("lessons", **LESSON)
    portal.open()
    portal.sign_in()
    button = portal.button()
    button.click()
    portal.until(lambda: portal.events("swallowed") and portal.idle())
    assert button.text == "Отметиться"
    assert portal.get("marks") == []
    button.click()
    portal.until(lambda: len(portal.get("marks")) == 1)
    assert portal.get("behaviour")["swallow_clicks"] == 0


@browser
@pytest.mark.parametrize(("behaviour", "marks"), [("expire_on_click", 0), ("expire_after_mark", 1)])
def test_session_ends_around_the_mark(portal: Portal, behaviour: str, marks: int) -> None:
    """The click meets the expiry, before the mark or after it; the server alone knows which."""
    portal.control("behaviour", **{behaviour: 1})
    portal.control("lessons", **LESSON)
    portal.open()
    portal.sign_in()
    portal.button().click()
    assert portal.notification() == "Время сеанса истекло"
    assert len(portal.get("marks")) == marks
    portal.load()
    portal.sign_in()
    assert ("v-disabled" in str(portal.button().get_attribute("class"))) == bool(marks)


@browser
def test_ids_change_with_every_load(driver: webdriver.Chrome) -> None:
    """GWT's ids are counters that begin elsewhere on each load: of no use as locators."""
    with visited(PortalSimulator(), driver) as portal:
        seen = set()
        for _ in range(6):
            portal.load()
            seen.add(portal.one("input[type=password]").get_attribute("id"))
        assert all(str(each).startswith("gwt-uid-") for each in seen)
        assert len(seen) > 1


@browser
def test_idle_page_asks_nothing(portal: Portal) -> None:
    """An open page is quiet: between two live lessons it sends no request at all."""
    portal.open()
    portal.sign_in()
    portal.control("lessons", **LESSON, live=True)
    portal.until(portal.cards)
    count = "return performance.getEntriesByType('resource').length"
    before = portal.driver.execute_script(count)
    portal.control("lessons", **LESSON, live=True)
    portal.until(lambda: len(portal.cards()) == 2)
    assert portal.driver.execute_script(count) == before
    assert json.dumps(portal.get("log")).count("session_not_found") == 0
