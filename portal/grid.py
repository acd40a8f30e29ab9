"""A Selenium Grid instead of Chromes on this machine: its places, and the end of sessions that nobody uses any more.

Whoever knows a session's id can drive a signed-in Chrome. So ids are kept encrypted, and neither they nor the addresses
of hub and nodes are in an error's text.
"""

import logging
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import httpx
from pydantic import BaseModel, TypeAdapter, ValidationError

from core.encryption import Cipher, EncryptionKeyError
from core.json_file import replace_file
from portal.errors import GridFailed, GridFull

log = logging.getLogger(__name__)

FILE = "grid-session"  # in a profile's folder, while its session exists
_ANSWERED_WITHIN = 5.0  # seconds; a node that was killed does not answer at all
_FRESH = 1.0  # seconds for which the Grid's numbers hold: many monitors may wait for a place
_QUERY = "{ grid { totalSlots sessionCount nodeCount } nodesInfo { nodes { uri sessions { id } } } }"


class _Session(BaseModel):
    id: str


class _Node(BaseModel):
    uri: str
    sessions: list[_Session]


class _Nodes(BaseModel):
    nodes: list[_Node]


class Places(BaseModel):
    """How many Chromes the Grid can run, and how many run."""

    totalSlots: int  # noqa: N815  # GraphQL's names
    sessionCount: int  # noqa: N815
    nodeCount: int  # noqa: N815

    def __str__(self) -> str:
        return f"{self.nodeCount} nodes with {self.totalSlots} places, {self.sessionCount} taken"


class _State(BaseModel):
    grid: Places
    nodesInfo: _Nodes  # noqa: N815


class _Answer(BaseModel):
    data: _State


_ANSWER = TypeAdapter(_Answer)


@dataclass(eq=False)
class Grid:
    """The Grid at an address, which may contain a user and a password. Thread-safe; every method blocks.

    With ``cipher`` the ids of its sessions are kept in the profiles' folders, so that a later run can end them.
    """

    address: str
    cipher: Cipher | None = None

    def __post_init__(self) -> None:
        parts = urlsplit(self.address)
        self.user, self.password = (unquote(each) if each else None for each in (parts.username, parts.password))
        host = parts.netloc.rpartition("@")[2]
        self.address = urlunsplit((parts.scheme, host, parts.path.rstrip("/").removesuffix("/wd/hub"), "", ""))
        auth = (self.user, self.password or "") if self.user is not None else None
        self._client = httpx.Client(auth=auth, timeout=_ANSWERED_WITHIN, trust_env=False)
        self._lock = threading.Lock()
        self._state: _State | None = None
        self._read_at = 0.0

    def places(self) -> Places:
        """Return the Grid's places. Raises GridFailed."""
        return self._current().grid

    def require_place(self) -> None:
        """Raise GridFull if all places are taken, GridFailed if the hub does not answer or knows no node."""
        places = self.places()
        if not places.totalSlots:
            raise GridFailed("the Selenium Grid has no node")
        if places.sessionCount >= places.totalSlots:
            raise GridFull(f"all {places.totalSlots} places of the Selenium Grid are taken")

    def end_session(self, session: str) -> bool:
        """End a session; say whether it is gone for certain. Never raises.

        A hub that was restarted does not know its nodes' sessions; then its node is asked, where it can be reached.
        """
        self._forget_state()
        try:
            if self._deleted(self.address, session):
                return True
            state = self._current()
            homes = [node.uri for node in state.nodesInfo.nodes if session in (each.id for each in node.sessions)]
            return all(self._deleted(home, session, None) for home in homes) if state.grid.nodeCount else False
        except (GridFailed, httpx.HTTPError, httpx.InvalidURL) as error:
            log.info("a session on the Selenium Grid could not be ended (%s)", type(error).__name__)
            return False
        finally:
            self._forget_state()

    def keep(self, folder: Path, session: str) -> None:
        """Keep the id of a new session. A failure only means that it can't be ended after a crash."""
        if self.cipher is None:
            return
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            replace_file(folder / FILE, self.cipher.encrypt(session))
        except OSError as error:
            log.info("the id of a session on the Selenium Grid is not kept: %s", error.strerror)

    def end(self, folder: Path, session: str, has_quit: bool = False) -> bool:
        """End a session unless it ``has_quit``, and forget its id; False if it may still exist. Never raises."""
        if not (has_quit or self.end_session(session)):
            return False
        try:
            (folder / FILE).unlink(missing_ok=True)
        except OSError as error:
            log.info("the id of a session on the Selenium Grid can't be deleted: %s", error.strerror)
        return True

    def start_failed(self, text: str) -> GridFailed:
        """Return the error for a Chrome that the Grid did not start; ``text`` is its answer, which names addresses."""
        self._forget_state()
        if "timed out" in text.lower():  # the request waited for a place until the Grid's own limit
            return GridFull("no place on the Selenium Grid became free in time")
        return GridFailed("the Selenium Grid could not start a Chrome")

    def end_kept(self, folder: Path) -> bool:
        """End the session that an earlier browser of this profile left; False if it may still exist. Never raises."""
        file = folder / FILE
        try:
            session = self.cipher.decrypt(file.read_text(encoding="ascii")) if self.cipher is not None else ""
        except FileNotFoundError:
            return True
        except (OSError, ValueError, EncryptionKeyError) as error:
            log.info("the id of a session on the Selenium Grid can't be read (%s)", type(error).__name__)
            session = ""
        return self.end(folder, session, has_quit=not session)

    def _deleted(self, address: str, session: str, auth: Any = httpx.USE_CLIENT_DEFAULT) -> bool:
        """End a session at this address; without ``auth`` at a node, which must not get the hub's password."""
        return self._client.delete(f"{address}/session/{session}", auth=auth).status_code == httpx.codes.OK

    def _current(self) -> _State:
        with self._lock:  # one asks, the others wait for the answer
            if self._state is None or time.monotonic() - self._read_at > _FRESH:
                self._state, self._read_at = self._read(), time.monotonic()
            return self._state

    def _forget_state(self) -> None:
        with self._lock:
            self._state = None

    def _read(self) -> _State:
        try:
            answer: Any = self._client.post(f"{self.address}/graphql", json={"query": _QUERY})
        except httpx.HTTPError as error:
            raise GridFailed(
                f"the Selenium Grid does not answer ({type(error).__name__}): start it, or correct SELENIUM_REMOTE_URL"
            ) from error
        if answer.status_code != httpx.codes.OK:
            raise GridFailed(f"the Selenium Grid answers HTTP {answer.status_code}")
        try:
            return _ANSWER.validate_json(answer.content).data
        except ValidationError:
            raise GridFailed("something else than a Selenium Grid answers at SELENIUM_REMOTE_URL") from None
