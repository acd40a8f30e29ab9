"""What is asked of a Selenium Grid, and what its answers mean; the Grid here only answers HTTP (e2e/test_grid.py)."""

import json
import stat
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from core.encryption import Cipher
from portal.browser import Chromes
from portal.errors import GridFailed, GridFull, public
from portal.grid import FILE, Grid

SESSION = "0123456789abcdef0123456789abcdef"


class Hub:
    """Answers as a hub with these numbers; ``known`` are the sessions that it can end."""

    def __init__(self, slots: int = 2, taken: int = 0, known: tuple[str, ...] = ()) -> None:
        self.slots, self.taken, self.known = slots, taken, set(known)
        self.nodes: list[dict[str, Any]] = []
        self.status = 200
        self.asked: list[str] = []
        self.deleted: list[str] = []
        self.new_session = b""
        self.authorization: str | None = None
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                hub.asked.append(self.path)
                self.rfile.read(int(self.headers["Content-Length"]))  # else the connection may end with a reset
                if self.path == "/session":
                    return self._send(200, hub.new_session)
                hub.authorization = self.headers["Authorization"]
                grid = {"totalSlots": hub.slots, "sessionCount": hub.taken, "nodeCount": 1 if hub.slots else 0}
                return self._answer(hub.status, {"data": {"grid": grid, "nodesInfo": {"nodes": hub.nodes}}})

            def do_DELETE(self) -> None:
                session = self.path.rpartition("/")[2]
                hub.authorization = self.headers["Authorization"]
                known = session in hub.known
                hub.deleted.append(session)
                self._answer(200 if known else 404, {"value": None})

            def _answer(self, status: int, body: object) -> None:
                self._send(status, json.dumps(body).encode())

            def _send(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_arguments: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def hub() -> Iterator[Hub]:
    hub = Hub()
    yield hub
    hub.close()


@pytest.fixture
def grid(hub: Hub) -> Grid:
    return Grid(f"http://operator:pass%20word@{hub.address}/wd/hub", Cipher(Fernet.generate_key().decode()))


def test_places(hub: Hub, grid: Grid) -> None:
    """A free place is no error; without one, or without a node, the error says so; many ask once a second."""
    begun = time.monotonic()
    for _ in range(100):
        grid.require_place()
    assert set(hub.asked) == {"/graphql"}
    assert len(hub.asked) <= 1 + int(time.monotonic() - begun)  # one, unless a slow machine takes a second
    assert hub.authorization == "Basic b3BlcmF0b3I6cGFzcyB3b3Jk"
    assert str(grid.places()) == "1 nodes with 2 places, 0 taken"
    hub.taken = 2
    grid.end_session("another")  # the numbers are asked for again
    with pytest.raises(GridFull, match="all 2 places"):
        grid.require_place()
    hub.slots = 0
    grid.end_session("another")
    with pytest.raises(GridFailed, match="no node"):
        grid.require_place()


@pytest.mark.parametrize("status", [401, 500, 503])
def test_refusing_hub(hub: Hub, grid: Grid, status: int) -> None:
    """A hub that answers with an error is trouble that may pass, without an address in its text."""
    hub.status = status
    with pytest.raises(GridFailed, match=f"^the Selenium Grid answers HTTP {status}$"):
        grid.require_place()


def test_no_hub(grid: Grid, hub: Hub) -> None:
    """A hub that is down is trouble that may pass; its sessions may still exist."""
    hub.close()
    with pytest.raises(
        GridFailed, match=r"^the Selenium Grid does not answer \(\w+\): start it, or correct SELENIUM_REMOTE_URL$"
    ):
        grid.places()
    assert not grid.end_session(SESSION)


@pytest.mark.parametrize(
    "answer", [b"", b"<html>Welcome</html>", b"[]", b"{}", b"5", b'{"value": null}', b'{"value": {}}', b"\xff\xfe"]
)
def test_page_instead_of_a_chrome(hub: Hub, grid: Grid, tmp_path: Path, answer: bytes) -> None:
    """Where something before the hub answers a start with a page, it is trouble that may pass."""
    hub.new_session = answer
    with pytest.raises(GridFailed, match=r"^the Selenium Grid could not start a Chrome$"):
        Chromes(tmp_path, grid=grid).open("profile", time.sleep)


class TestKept:
    def test_ended(self, grid: Grid, hub: Hub, tmp_path: Path) -> None:
        """The id of a session is kept encrypted, for its owner alone, until the session has ended."""
        hub.known.add(SESSION)
        grid.keep(tmp_path / "profile", SESSION)
        file = tmp_path / "profile" / FILE
        assert SESSION not in file.read_text()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert grid.end_kept(tmp_path / "profile")
        assert not file.exists()
        assert hub.deleted == [SESSION]

    def test_has_quit(self, grid: Grid, hub: Hub, tmp_path: Path) -> None:
        """After a Chrome has quit its id is forgotten, and the Grid is not asked."""
        grid.keep(tmp_path, SESSION)
        assert grid.end(tmp_path, SESSION, has_quit=True)
        assert (hub.deleted, list(tmp_path.iterdir())) == ([], [])

    def test_hub_that_was_restarted(self, grid: Grid, hub: Hub, tmp_path: Path) -> None:
        """A session that the hub does not know is ended at its node; until the node is back its id is kept."""
        grid.keep(tmp_path, SESSION)
        hub.slots = 0
        assert not grid.end_kept(tmp_path)
        node = Hub(known=(SESSION,))
        try:
            hub.slots = 2
            hub.nodes = [{"uri": f"http://{node.address}", "sessions": [{"id": SESSION}]}]
            assert grid.end_kept(tmp_path)
            assert node.deleted == [SESSION]
            assert node.authorization is None  # the password is the hub's
        finally:
            node.close()

    def test_strange_node(self, grid: Grid, hub: Hub, tmp_path: Path) -> None:
        """A node with an address that is none is no error."""
        grid.keep(tmp_path, SESSION)
        for uri in ("http://node:port", "node", "", "http://[::"):
            hub.nodes = [{"uri": uri, "sessions": [{"id": SESSION}]}]
            assert not grid.end_kept(tmp_path)

    def test_another_key(self, grid: Grid, tmp_path: Path) -> None:
        """An id that can't be read is forgotten."""
        Grid(grid.address, Cipher(Fernet.generate_key().decode())).keep(tmp_path, SESSION)
        assert grid.end_kept(tmp_path)
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"Unable to find session with ID: {SESSION}\nBuild info: x", "Unable to find session with ID: <...>"),
        ("Could not reach http://172.18.0.3:5555/session", "Could not reach <...>"),
        ("Connection refused: 172.18.0.3:5555", "Connection refused: <...>"),
        ("no such node 7f3b8f0e-1c2d-4e5f-8a9b-0c1d2e3f4a5b", "no such node <...>"),
        ("session not created: Chrome instance exited", "session not created: Chrome instance exited"),
    ],
)
def test_public(text: str, shown: str) -> None:
    """Of a driver's message neither addresses nor ids are shown."""
    assert public(text) == shown
