"""The sandbox's servers take no orders from web pages of other sites."""

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from sandbox.bot_process import BotProcess
from sandbox.cast import Cast
from sandbox.guard import only_own_pages
from sandbox.lms.server import LmsSimulator
from sandbox.notes import Notes
from sandbox.portal.replay import Replay
from sandbox.portal.server import PortalSimulator
from sandbox.serving import serve_until_signal
from sandbox.telegram.server import TelegramSimulator
from sandbox.web import PageServer
from tests.waiting import PATIENCE

pytestmark = pytest.mark.integration

TOKEN = "1234567890:" + "A" * 35
EVIL = "http://evil.example"


def _page() -> AbstractAsyncContextManager[str]:
    nowhere = Path("/nowhere")
    bot = BotProcess([sys.executable, "-c", ""], {}, nowhere, print, folder=nowhere)
    telegram, portal, lms = TelegramSimulator(), PortalSimulator(), LmsSimulator()
    cast = Cast(telegram, portal, lms, nowhere)
    notes = Notes(cast, nowhere, print)
    return PageServer(telegram, portal, lms, bot, cast, notes, nowhere, {}).serving("127.0.0.1", 0)


# Each server, with an order that its control API takes and a path without effects.
SERVERS: dict[str, tuple[Callable[[], AbstractAsyncContextManager[str]], str, str]] = {
    "page": (_page, "/telegram/reset", "/api/sandbox"),
    "telegram": (lambda: TelegramSimulator().serving(), "/control/reset", "/control/bots"),
    "portal": (lambda: PortalSimulator().serving(), "/control/reset", "/control/lessons"),
    "lms": (lambda: LmsSimulator().serving(), "/control/reset", "/control/stats"),
}


@pytest.fixture(params=SERVERS)
async def server(request: pytest.FixtureRequest) -> AsyncIterator[tuple[httpx.AsyncClient, str, str]]:
    """A server's client, an order and a harmless path."""
    serving, order, path = SERVERS[request.param]
    async with serving() as url, httpx.AsyncClient(base_url=url, trust_env=False, timeout=PATIENCE) as http:
        yield http, order, path


async def test_orders_of_own_pages_and_of_programs(server: tuple[httpx.AsyncClient, str, str]) -> None:
    """Orders without Origin, and those of a page that the server itself delivered, are taken."""
    http, order, path = server
    own = str(http.base_url).rstrip("/")
    assert (await http.post(order, json={})).status_code == 200
    headers = {"Origin": own, "Sec-Fetch-Site": "same-origin"}
    assert (await http.post(order, json={}, headers=headers)).status_code == 200
    port = http.base_url.port
    for host in (f"localhost:{port}", f"192.168.1.7:{port}", f"[::1]:{port}"):
        assert (await http.get(path, headers={"Host": host})).status_code == 200, host


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": EVIL},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://[broken"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"},
        {"Host": "evil.example"},
        {"Host": "evil.example:8080", "Origin": "http://evil.example:8080"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "localhost.evil.example"},
        {"Host": "[broken"},
    ],
    ids=str,
)
async def test_requests_of_other_sites(server: tuple[httpx.AsyncClient, str, str], headers: dict[str, str]) -> None:
    """Requests of another site's page, also of one whose name leads here, are neither executed nor answered."""
    http, order, path = server
    for answer in (await http.post(order, json={}, headers=headers), await http.get(path, headers=headers)):
        assert answer.status_code == 403
        assert "error" in answer.json()


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None])
async def test_orders_of_other_types(server: tuple[httpx.AsyncClient, str, str], kind: str | None) -> None:
    """Types that a browser sends to other sites without asking them first are refused, as is an order without type."""
    http, order, _path = server
    answer = await http.post(order, content=b"{}", headers={"Content-Type": kind} if kind else {})
    assert answer.status_code == 415


async def test_bot_api_and_links() -> None:
    """A page's link can't call the Bot API; one to the portal or to the page opens it."""
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    async with TelegramSimulator().serving() as url, httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as http:
        assert (await http.get(f"{url}/bot{TOKEN}/getMe", headers=link)).status_code == 403
        assert (await http.post(f"{url}/bot{TOKEN}/getMe", data={}, headers={"Origin": EVIL})).status_code == 403
        assert (await http.post(f"{url}/bot{TOKEN}/getMe", data={})).status_code == 401
    for serving, path in ((PortalSimulator().serving(), "/RegistrationOnline/"), (_page(), "/")):
        async with serving as url, httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as http:
            assert (await http.get(url + path, headers=link)).status_code == 200


async def test_replay() -> None:
    """The player of recordings takes no events from other sites either."""
    async with Replay([]).serving() as url, httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as http:
        event = f"{url}/RegistrationOnline/replay"
        assert (await http.post(event, content=b"{}", headers={"Origin": EVIL})).status_code == 403


async def test_given_host_name() -> None:
    """The name that the server was told to listen on is accepted, other names are not."""

    async def order(_request: web.Request) -> web.Response:
        return web.Response()

    check = only_own_pages("Workshop", has_pages=True)
    for host, status in (("workshop:8080", 200), ("workshop.evil.example", 403)):
        assert (await check(make_mocked_request("POST", "/", headers={"Host": host}), order)).status == status


async def test_taken_port() -> None:
    """A taken port ends a simulator with one line that says what to do."""
    async with PortalSimulator().serving() as url:
        port = urlsplit(url).port
        assert port is not None
        with pytest.raises(SystemExit, match=rf"^port {port} of 127.0.0.1 is in use: end the program that uses it"):
            await serve_until_signal(TelegramSimulator().serving(port=port), lambda url: [url])
