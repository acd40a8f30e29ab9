"""The LMS simulator over plain HTTP: the strictness of both generations."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from sandbox.lms.behaviour import FALSE_SUCCESSES
from sandbox.lms.world import NEWER, OLDER
from tests import children
from tests.classroom.lms.fakes import DATE, TEACHER
from tests.classroom.lms.simulated import PASSWORD, Scene, account
from tests.waiting import PATIENCE, eventually_true

pytestmark = pytest.mark.integration


ACCOUNT = {"email": TEACHER.email, "password": PASSWORD}
HEADERS = {"Accept": "application/json", "Content-Type": "application/json"}
ATTENDANCE = "/api/v1/attendance"
SCHEDULE = {"mentorId": "m1", "location": "Main"}


class Client:
    """A minimal client of the LMS."""

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

    async def read_courses(self, token: str | None = None) -> httpx.Response:
        token = self.access if token is None else token
        if self.prefix:
            return await self.send("GET", ATTENDANCE, token, params={"mentorId": "m1", "role": "Mentor"})
        return await self.send("GET", "/api/v1/mentorstds", token, params=SCHEDULE)

    async def write(self, method: str = "POST", **changes: Any) -> httpx.Response:
        body = {
            "subject": "Algorithms",
            "batch": "A",
            "datetime": DATE,
            "location": "Main",
            "userType": "Mentor" if self.prefix else "Mentors",
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
    """A second sign-in is refused until the first has signed out, which invalidates the newer server's tokens."""
    old = client.access
    assert (await client.sign_in()).status_code == 409
    sent: dict[str, Any] = {"json": ACCOUNT} if client.prefix else {"token": client.access}
    assert (await client.send("POST", f"{client.prefix}/logout", **sent)).status_code == 200
    assert (await client.sign_in()).status_code == 200
    answer = await client.read_courses(old)
    if client.prefix:
        assert (answer.status_code, answer.json().get("error")) == (401, "TOKEN_BLACKLISTED")
    else:  # the older server only forgets the session
        assert answer.status_code == 200


@pytest.mark.parametrize(
    "body", [ACCOUNT | {"password": "x"}, ACCOUNT | {"email": "x@y"}, ACCOUNT | {"email": "Teacher@example.org"}, {}]
)
async def test_refused_sign_ins(client: Client, body: dict[str, str]) -> None:
    """Wrong passwords, unknown e-mails, capitals in the e-mail and missing fields are refused."""
    answer = await client.send("POST", f"{client.prefix}/login", json=body)
    in_form = body and (body["email"].islower() or not client.prefix)
    assert answer.status_code == (401 if in_form else 400)


@pytest.mark.parametrize("kind", ["student_login_details", "Manager"])
async def test_any_account_signs_in(client: Client, kind: str) -> None:
    """Every account of the LMS can sign in; the older server then refuses what is for teachers only."""
    await client.scene.control("teachers", **account(email="B@x.org", user_type=kind))
    email = client.scene.world.address("B@x.org")
    answer = await client.send("POST", f"{client.prefix}/login", json=ACCOUNT | {"email": email})
    tokens = answer.json()["data"] if client.prefix else answer.json()
    if not client.prefix:
        assert (await client.read_courses(tokens["access_token"])).json()["error"] == "INSUFFICIENT_PERMISSIONS"
        lower = await client.send("POST", "/login", json=ACCOUNT | {"email": email.lower()})
        assert lower.status_code == 401


async def test_other_generations_addresses(client: Client) -> None:
    """Only the current generation's sign-in exists."""
    other = "" if client.prefix else "/auth"
    assert (await client.send("POST", f"{other}/login", json=ACCOUNT)).status_code == 404


async def test_tokens_end(client: Client) -> None:
    """An access token is valid for an hour of the LMS's clock, a refresh token for a week."""
    await client.scene.control("clock", advance=3599)
    assert (await client.read_courses()).status_code == 200
    await client.scene.control("clock", advance=1)
    answer = await client.read_courses()
    assert (answer.status_code, answer.json()["error"]) == (401, "TOKEN_EXPIRED")
    await client.scene.control("clock", advance=7 * 24 * 3600)
    assert (await refresh(client)).status_code == 401


async def test_refresh(client: Client) -> None:
    """The newer server expects the header and no body; the older one a body, and its refresh token rotates."""
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
async def test_wrong_tokens(client: Client, token: str) -> None:
    """A missing, malformed or forged token, and a refresh token as access token, are refused."""
    head, body, mac = client.access.split(".")
    token = {"refresh": client.refresh, "forged": f"{head}.{body[:-2]}.{mac}"}.get(token, token)
    assert (await client.read_courses(token)).status_code == 401


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
async def test_records_must_be_complete(client: Client, changes: dict[str, Any], status: int) -> None:
    """A record needs every field, exactly the roster, and a course of the teacher."""
    answer = await client.write(**changes)
    statuses = {repr(each["status"]) for each in changes.get("students", [])}
    if not client.prefix and (status == 201 or statuses in ({"'present'"}, {"True"})):
        status = 200  # the older server takes any status
    assert (answer.status_code, len(client.scene.world.records)) == (status, int(status < 300))


async def test_create_and_update(client: Client) -> None:
    """A record is created once, and by the newer server then updated; writes are logged."""
    assert (await client.write("PUT")).status_code == (404 if client.prefix else 405)
    assert (await client.write()).status_code == (201 if client.prefix else 200)
    twice = await client.write()
    assert (twice.status_code, twice.json()["status"]) == (403 if client.prefix else 409, "duplicate")
    students = [{"studentId": f"A-00{number}", "status": 0} for number in (1, 2, 3)]
    assert (await client.write("PUT", students=students)).status_code == (200 if client.prefix else 405)
    (record,) = (await client.scene.http.get("/control/records")).json()
    expected = [("create", 3, TEACHER.email), ("update", 0, TEACHER.email)]
    if not client.prefix:  # the numbers 1 were no presence to it
        expected = [("create", 0, TEACHER.email)]
    assert [(write["call"], write["present"], write["by"]) for write in record["writes"]] == expected


async def test_routes(client: Client) -> None:
    """The older server has no list of pending batches and the newer one no schedule."""
    parameters = {"mentorId": "m1", "role": "Mentor"}
    listed = await client.send("GET", ATTENDANCE, client.access, params=parameters)
    scheduled = await client.send("GET", "/api/v1/mentorstds", client.access, params=SCHEDULE)
    assert (listed.status_code, scheduled.status_code) == ((200, 404) if client.prefix else (405, 200))
    if not client.prefix:
        (row,) = scheduled.json()["schedule_data"]
        assert (row["batchNo"], row["subject"], row["MentorName"]) == (["A"], "Algorithms", TEACHER.name)


async def test_what_counts_as_present(client: Client) -> None:
    """The newer server counts 1 as present, the older one only the text "present", whatever else it is sent."""
    statuses: list[Any] = [1, 0, 1] if client.prefix else ["present", "Present", 1]
    students = [{"studentId": f"A-00{number}", "status": status} for number, status in enumerate(statuses, 1)]
    await client.write(students=students)
    (record,) = (await client.scene.http.get("/control/records")).json()
    assert list(record["students"].values()) == ([1, 0, 1] if client.prefix else [1, 0, 0])


async def test_creates_at_once(client: Client) -> None:
    """The older server makes a record of each of two creates that are executed at once; the newer one refuses one."""
    await client.scene.behave(slow_ms=300)
    answers = await asyncio.gather(client.write(), client.write())
    (record,) = (await client.scene.http.get("/control/records")).json()
    assert record["copies"] == (1 if client.prefix else 2)
    assert sorted(each.status_code for each in answers) == ([201, 403] if client.prefix else [200, 200])


@pytest.mark.parametrize("kind", FALSE_SUCCESSES)
async def test_false_success(client: Client, kind: str) -> None:
    """A fault answers writes with 200 and an error, or nothing; nothing is stored."""
    await client.scene.behave(false_success=kind)
    answer = await client.write()
    assert (answer.status_code, answer.text) == (200, FALSE_SUCCESSES[kind])
    assert client.scene.world.records == {}


async def test_late(client: Client) -> None:
    """A late write gets no answer and is executed afterwards."""
    await client.scene.behave(late=1, late_ms=300)
    with pytest.raises(httpx.HTTPError):
        await client.write()
    assert client.scene.world.records == {}
    await eventually_true("the write", lambda: len(client.scene.world.records) == 1)


@pytest.mark.parametrize("headers", [{"Accept": "*/*"}, {"Content-Type": "text/plain"}])
async def test_headers(client: Client, headers: dict[str, str]) -> None:
    """A call without JSON in Accept and Content-Type is refused."""
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
        ("POST", "behaviour", {"false_success": "perhaps"}),
        ("POST", "behaviour", {"updates": 0}),
        ("POST", "teachers", {"id": "m2"}),
        ("POST", "courses", {"email": TEACHER.email, "batch": "Z", "subject": "X"}),
        ("POST", "elsewhere", {"email": "nobody@example.org"}),
        ("POST", "reset", {"generation": "oldest"}),
        ("POST", "clock", {}),
    ],
)
async def test_control_refuses_mistakes(client: Client, method: str, path: str, body: dict[str, Any]) -> None:
    """The control API refuses wrong requests with a reason, and changes nothing."""
    before = (await client.scene.http.get("/control/behaviour")).json()
    answer = await client.scene.http.request(method, f"/control/{path}", json=body)
    assert answer.status_code in (400, 404)
    assert answer.json()["error"]
    assert (await client.scene.http.get("/control/behaviour")).json() == before


async def test_log_without_secrets(client: Client) -> None:
    """The log has every call, and neither passwords nor tokens."""
    await client.write()
    log = (await client.scene.http.get("/control/log")).text
    stats = (await client.scene.http.get("/control/stats")).json()
    assert stats == {"calls": 2, "by_call": {"login": 1, "create": 1}}
    assert not any(secret in log for secret in (PASSWORD, client.access, client.refresh))


async def test_reset(client: Client) -> None:
    """After a reset no account exists, and earlier tokens are invalid."""
    await client.scene.control("reset", generation=client.scene.world.generation)
    assert (await client.write()).status_code == 401
    assert (await client.sign_in()).status_code == 401


def test_alone() -> None:
    """`python -m sandbox.lms` prints the two settings with its addresses, and ends at SIGTERM."""
    command = [sys.executable, "-m", "sandbox.lms", "--port", "0", "--generation", "older"]
    process = children.start(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines = [process.stdout.readline().strip() for _ in range(2)]
    process.terminate()
    process.communicate(timeout=PATIENCE)
    assert lines[0].startswith("BASE_URL=http://127.0.0.1:")
    assert lines[1].startswith("JWT_LOGIN_ENDPOINT=http://127.0.0.1:")
    assert (lines[1].endswith("/login"), process.returncode) == (True, 0)
