"""The LMS simulator, met with bare HTTP: both generations, and strict about everything."""

import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from sandbox.lms.world import NEWER, OLDER
from tests import children
from tests.classroom.lms.fakes import DATE, TEACHER
from tests.classroom.lms.simulated import PASSWORD, Scene

pytestmark = pytest.mark.integration


ACCOUNT = {"email": TEACHER.email, "password": PASSWORD}
HEADERS = {"Accept": "application/json", "Content-Type": "application/json"}
ATTENDANCE = "/api/v1/attendance"


class Client:
    """A client of the LMS that does exactly what a test tells it."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.prefix = "/auth" if scene.world.generation == NEWER else ""
        self.access = self.refresh = ""

    async def send(self, method: str, path: str, token: str = "", **sent: Any) -> httpx.Response:
        headers = HEADERS | ({"Authorization": f"Bearer {token}"} if token else {}) | sent.pop("headers", {})
        return await self.scene.http.request(method, path, headers=headers, **sent)

    async def sign_in(self) -> httpx.Response:
        answer = await self.send("POST", f"{self.prefix}/login", json=ACCOUNT)
        if answer.is_success:
            tokens = answer.json()["data"] if self.prefix else answer.json()
            self.access, self.refresh = tokens["access_token"], tokens["refresh_token"]
        return answer

    async def write(self, method: str = "POST", **changes: Any) -> httpx.Response:
        body = {
            "subject": "Algorithms",
            "batch": "A",
            "datetime": DATE,
            "location": "Main",
            "userType": "Mentor",
            "students": [{"studentId": f"A-00{number}", "status": 1} for number in (1, 2, 3)],
        }
        body = {name: value for name, value in (body | changes).items() if value is not None}
        return await self.send(method, ATTENDANCE, self.access, json=body)


@pytest.fixture(params=[NEWER, OLDER])
async def client(request: pytest.FixtureRequest) -> AsyncIterator[Client]:
    async with Scene(request.param).playing() as scene:
        client = Client(scene)
        assert (await client.sign_in()).status_code == 200
        yield client


async def test_one_session_at_a_time(client: Client) -> None:
    """A second sign-in is refused until the first one has signed out; then its tokens are worth nothing."""
    old = client.access
    assert (await client.sign_in()).status_code == 409
    sent: dict[str, Any] = {"json": ACCOUNT} if client.prefix else {"token": client.access}
    assert (await client.send("POST", f"{client.prefix}/logout", **sent)).status_code == 200
    assert (await client.sign_in()).status_code == 200
    answer = await client.send("GET", ATTENDANCE, old, params={"mentorId": "m1", "role": "Mentor"})
    assert answer.status_code == 401
    assert answer.json().get("error") == "TOKEN_BLACKLISTED"


@pytest.mark.parametrize(
    "body", [ACCOUNT | {"password": "x"}, ACCOUNT | {"email": "x@y"}, ACCOUNT | {"email": "Teacher@example.org"}, {}]
)
async def test_refused_sign_ins(client: Client, body: dict[str, str]) -> None:
    """Wrong passwords, unknown people, capitals in the e-mail, and no fields are no sign-in."""
    answer = await client.send("POST", f"{client.prefix}/login", json=body)
    assert answer.status_code == (401 if body and body["email"].islower() else 400)


async def test_other_generations_addresses(client: Client) -> None:
    """Only the generation that is played has its sign-in."""
    other = "" if client.prefix else "/auth"
    assert (await client.send("POST", f"{other}/login", json=ACCOUNT)).status_code == 404


async def test_tokens_end(client: Client) -> None:
    """An access token lasts an hour of the LMS's own clock, a refresh token a week."""
    parameters = {"mentorId": "m1", "role": "Mentor"}
    await client.scene.control("clock", advance=3599)
    assert (await client.send("GET", ATTENDANCE, client.access, params=parameters)).status_code == 200
    await client.scene.control("clock", advance=1)
    answer = await client.send("GET", ATTENDANCE, client.access, params=parameters)
    assert (answer.status_code, answer.json()["error"]) == (401, "TOKEN_EXPIRED")
    await client.scene.control("clock", advance=7 * 24 * 3600)
    assert (await refresh(client)).status_code == 401


async def test_refresh(client: Client) -> None:
    """The newer server takes the header and no body; the older one the body, and its refresh token rotates."""
    wrong = {"json": {"refresh_token": client.refresh}} if client.prefix else {"token": client.refresh}
    assert (await client.send("POST", f"{client.prefix}/refresh", **wrong)).status_code == 400
    answers = [await refresh(client), await refresh(client)]
    assert [each.status_code for each in answers] == [200, 200 if client.prefix else 401]
    assert ("refresh_token" in answers[0].json()) == (not client.prefix)


async def refresh(client: Client) -> httpx.Response:
    if client.prefix:
        return await client.send("POST", "/auth/refresh", client.refresh)
    return await client.send("POST", "/refresh", json={"refresh_token": client.refresh})


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "refresh", "forged"])
async def test_no_other_token(client: Client, token: str) -> None:
    """No token, nonsense, a refresh token, or one that was changed opens nothing."""
    head, body, mac = client.access.split(".")
    token = {"refresh": client.refresh, "forged": f"{head}.{body[:-2]}.{mac}"}.get(token, token)
    answer = await client.send("GET", ATTENDANCE, token, params={"mentorId": "m1", "role": "Mentor"})
    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, 201),
        ({"students": [{"studentId": "A-001", "status": 1}]}, 400),
        ({"students": [{"studentId": f"A-00{number}", "status": 1} for number in (1, 2, 3, 4)]}, 400),
        ({"students": [{"studentId": "A-001", "status": 1}] * 3}, 400),
        ({"students": [{"studentId": f"A-00{number}", "status": "present"} for number in (1, 2, 3)]}, 400),
        ({"students": [{"studentId": f"A-00{number}", "status": True} for number in (1, 2, 3)]}, 400),
        ({"students": [{"studentId": f"A-00{number}", "status": 1, "mood": "x"} for number in (1, 2, 3)]}, 400),
        ({"datetime": f"{DATE}T00:00:00"}, 400),
        ({"datetime": "2026-02-30"}, 400),
        ({"userType": "Student"}, 400),
        ({"userType": None}, 400),
        ({"extra": 1}, 400),
        ({"location": "Elsewhere"}, 403),
        ({"subject": "Physics"}, 403),
        ({"batch": "B"}, 403),
    ],
)
async def test_records_are_whole_or_nothing(client: Client, changes: dict[str, Any], status: int) -> None:
    """A record needs every field, the whole roster and nobody else, and the teacher's own course."""
    answer = await client.write(**changes)
    assert (answer.status_code, len(client.scene.world.records)) == (status, int(status == 201))


async def test_create_and_update(client: Client) -> None:
    """A record is created once, then updated; what is not there can't be; each write is on record."""
    assert (await client.write("PUT")).status_code == 404
    assert (await client.write()).status_code == 201
    twice = await client.write()
    assert (twice.status_code, twice.json()["status"]) == (403 if client.prefix else 409, "duplicate")
    students = [{"studentId": f"A-00{number}", "status": 0} for number in (1, 2, 3)]
    assert (await client.write("PUT", students=students)).status_code == 200
    (record,) = (await client.scene.http.get("/control/records")).json()
    assert [(write["call"], write["present"], write["by"]) for write in record["writes"]] == [
        ("create", 3, TEACHER.email),
        ("update", 0, TEACHER.email),
    ]


@pytest.mark.parametrize("headers", [{"Accept": "*/*"}, {"Content-Type": "text/plain"}])
async def test_headers(client: Client, headers: dict[str, str]) -> None:
    """A call that does not speak JSON both ways is refused."""
    answer = await client.send("POST", f"{client.prefix}/login", json=ACCOUNT, headers=headers)
    assert answer.status_code in (406, 415)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "behaviour", {"dwon": True}),
        ("POST", "behaviour", {"down": 1}),
        ("POST", "behaviour", {"status": 200}),
        ("POST", "behaviour", {"calls": ["creat"]}),
        ("POST", "behaviour", {"html": -1}),
        ("POST", "teachers", {"id": "m2"}),
        ("POST", "courses", {"email": TEACHER.email, "batch": "Z", "subject": "X"}),
        ("POST", "elsewhere", {"email": "nobody@example.org"}),
        ("POST", "reset", {"generation": "oldest"}),
        ("POST", "clock", {}),
    ],
)
async def test_control_refuses_mistakes(client: Client, method: str, path: str, body: dict[str, Any]) -> None:
    """The control API says what was wrong, and changes nothing."""
    before = (await client.scene.http.get("/control/behaviour")).json()
    answer = await client.scene.http.request(method, f"/control/{path}", json=body)
    assert answer.status_code in (400, 404)
    assert answer.json()["error"]
    assert (await client.scene.http.get("/control/behaviour")).json() == before


async def test_log_without_secrets(client: Client) -> None:
    """The log has every call with its status, and neither passwords nor tokens."""
    await client.write()
    log = (await client.scene.http.get("/control/log")).text
    stats = (await client.scene.http.get("/control/stats")).json()
    assert stats == {"calls": 2, "by_call": {"login": 1, "create": 1}}
    assert not any(secret in log for secret in (PASSWORD, client.access, client.refresh))


async def test_reset(client: Client) -> None:
    """After a reset nobody is known, and earlier tokens are forgeries."""
    await client.scene.control("reset", generation=client.scene.world.generation)
    assert (await client.write()).status_code == 401
    assert (await client.sign_in()).status_code == 401


def test_alone() -> None:
    """`python -m sandbox.lms` prints the two settings that point at it, and ends at SIGTERM."""
    command = [sys.executable, "-m", "sandbox.lms", "--port", "0", "--generation", "older"]
    process = children.start(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines = [process.stdout.readline().strip() for _ in range(2)]
    process.terminate()
    process.communicate(timeout=60)
    assert lines[0].startswith("BASE_URL=http://127.0.0.1:")
    assert lines[1].startswith("JWT_LOGIN_ENDPOINT=http://127.0.0.1:")
    assert (lines[1].endswith("/login"), process.returncode) == (True, 0)
