"""The sandbox's page server: people, events from the simulators, masked secrets in the log, facts of the tour."""

import base64
import io
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image
from telegram import Bot
from telegram.request import HTTPXRequest

from sandbox.cast import BOTS, MARKER, MOST_PEOPLE, PEOPLE, STUDENTS, TEACHERS
from tests import children
from tests.sandbox.stage import Stage, events, stage
from tests.waiting import PATIENCE, eventually_true

pytestmark = pytest.mark.integration

ADMIN, TEACHER, STUDENT = 1001, 3001, 2001


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path) as found:
        yield found


async def says(running: Stage, bot: str, person: int, **content: Any) -> None:
    """Send something as a person."""
    body = {"bot": BOTS[bot].username, "person": person} | content
    answer = await running.http.post("/telegram/send", json=body)
    assert answer.is_success, answer.text


def api(url: str, kind: str) -> Bot:
    """A client of the simulated Bot API, in the place of bot.py."""
    request = HTTPXRequest(read_timeout=PATIENCE, connect_timeout=PATIENCE)
    return Bot(BOTS[kind].token, base_url=f"{url}/bot", request=request)


async def test_people(running: Stage) -> None:
    """The page gets people with their phones and accounts; the shared students have both bots and both accounts."""
    about = (await running.http.get("/api/sandbox")).json()
    assert {each["name"] for each in about["places"]} == {"in-class", "40m", "70m", "2km"}
    assert {kind: bot["username"] for kind, bot in about["bots"].items()} == {
        kind: bot.username for kind, bot in BOTS.items()
    }
    by_role: dict[str, list[Any]] = {}
    for person in about["people"]:
        by_role.setdefault(person["role"], []).append(person)
    assert {role: len(found) for role, found in by_role.items()} == {"admin": 1, "teacher": 1, "student": 2}
    for student in by_role["student"]:
        assert (student["chats"], student["scene"]) == ([MARKER, STUDENTS], "both")
        assert student["login"]["username"] in running.portal.world.students
        assert student["student_id"] in running.lms.world.batches["CS-101"]
    (teacher,) = by_role["teacher"]
    assert running.lms.world.teachers[teacher["lms"]["email"]].password == teacher["lms"]["password"]


async def test_added_student(running: Stage) -> None:
    """A student who is added gets a phone and both accounts, and stands on the roster; the number is bounded."""
    async with events(running.url) as reader:
        await reader.until("people")
        added = (await running.http.post("/api/people", json={"name": "  Nurlan  K. "})).json()["id"]
        screens, student = set[str](), None
        while student is None or screens != set(student["chats"]):
            event = await reader.next()
            if event.kind == "people":
                student = next((each for each in event.data["people"] if each["id"] == added), student)
            elif event.kind == "screen" and event.data["person"] == added:
                assert (event.data["screen"]["messages"], event.data["screen"]["started"]) == ([], False)
                screens.add(event.data["bot"])
        assert student["name"] == "Nurlan K."
        assert running.lms.world.batches["CS-101"][student["student_id"]].name == "Nurlan K."
        assert running.portal.world.sign_in(student["login"]["username"], student["login"]["password"])
    for name, why in (("Nurlan K.", "is there already"), ("a\u200db", "invisible")):
        assert why in (await running.http.post("/api/people", json={"name": name})).json()["error"]
    for number in range(MOST_PEOPLE - len(PEOPLE) - 1):
        assert (await running.http.post("/api/people", json={"name": f"S{number}"})).is_success
    ids = [each.student_id for each in running.cast.people.values() if each.student_id]
    assert len(set(ids)) == len(ids)
    for wrong in ("One More", "", "x" * 41, 7, "a\u202eb"):
        refused = await running.http.post("/api/people", json={"name": wrong})
        assert (refused.status_code, list(refused.json())) == (400, ["error"])


async def test_changes_become_events(running: Stage) -> None:
    """A message, a lesson, a fault of the portal and one of the LMS, and the bot's process come as events."""
    async with events(running.url) as reader:
        assert (await reader.next()).kind == "hello"
        await says(running, MARKER, ADMIN, text="/start")
        while not (await reader.until("screen", bot=MARKER, person=ADMIN)).data["screen"]["messages"]:
            pass
        await running.http.post("/portal/lessons", json={"subject": "Physics", "teacher": "T", "time": "09:00"})
        while not (portal := (await reader.until("portal")).data)["lessons"]:
            pass
        assert (portal["lessons"][0]["subject"], portal["marks"], portal["signed_in"]) == ("Physics", [], [])
        await running.http.post("/portal/behaviour", json={"status": 503})
        assert (await reader.until("portal")).data["behaviour"]["status"] == 503
        await running.http.post("/lms/behaviour", json={"down": True})
        while not (await reader.until("lms")).data["behaviour"]["down"]:
            pass
        assert await running.bot.start()
        assert (await reader.until("bot", state="ended")).data["last_line"] == "a line"


async def test_marks_with_latency(running: Stage) -> None:
    """A mark comes with its student and the seconds since the lesson was opened."""
    world = running.portal.world
    lesson = world.open_lesson("Physics", "T", "09:00")
    world.mark(lesson.id, "a_student")
    async with events(running.url) as reader:
        while not (marks := (await reader.until("portal")).data["marks"]):
            pass
    assert (marks[0]["student"], marks[0]["subject"]) == ("a_student", "Physics")
    assert 0 <= marks[0]["seconds"] < 60


async def test_log_is_masked(running: Stage) -> None:
    """The log says who did what, and shows neither typed texts, nor codes, nor passwords, nor tokens."""
    async with running.telegram.serving() as url, events(running.url) as reader, api(url, MARKER) as bot:
        await says(running, MARKER, STUDENT, text="/start INVITE2345")
        await says(running, MARKER, STUDENT, text="portal-1")
        await says(running, MARKER, STUDENT, contact={"phone_number": "+77010002001"})
        await bot.get_updates(timeout=0)
        link = "https://t.me/attendance_sandbox_bot?start=ABCD2345"
        await bot.send_message(
            STUDENT, f"<b>Welcome</b> {link} code 482 913, HVCGNGWD, ABCD2345, portal-1 {bot.token}", "HTML"
        )
        running.portal.world.log("signed_in", "a_student")
        running.lms.world.log("login", "yerlan@lms.example", 401, "Invalid email or password lms-1")
        found: list[dict[str, Any]] = []
        while not any(each["to"] == "LMS" for each in found) or len(found) < 6:
            found.append((await reader.until("log")).data)
    entries = {(each["from"], each["to"], each["person"], each["text"]) for each in found}
    assert ("Telegram", "bot.py (marker)", "Aruzhan", "sends /start •••") in entries
    assert ("Telegram", "bot.py (marker)", "Aruzhan", "types 8 characters") in entries
    assert ("Telegram", "bot.py (marker)", "Aruzhan", "sends a phone number") in entries
    assert ("portal", "bot.py", "Aruzhan", "lets the student in") in entries
    assert ("bot.py", "LMS", "Yerlan", "login -> 401 (Invalid email or password •••)") in entries
    (sent,) = [each["text"] for each in found if each["text"].startswith("sends: ")]
    assert sent.startswith("sends: Welcome https://t.me/attendance_sandbox_bot?start=••• code •••, •••, •••, •••")
    written = json.dumps(found, ensure_ascii=False)
    for secret in ("INVITE2345", "ABCD2345", "HVCGNGWD", "482 913", "portal-1", "lms-1", BOTS[MARKER].token):
        assert secret not in written
    assert [each["n"] for each in found] == sorted(each["n"] for each in found)


async def test_facts_of_the_marker(running: Stage) -> None:
    """The tour's facts follow from the bot's files, its messages and the portal, and stay true."""
    async with running.telegram.serving() as url, events(running.url) as reader, api(url, MARKER) as bot:
        facts = (await reader.until("tour")).data["facts"]
        assert not any(facts.values())
        await says(running, MARKER, ADMIN, text="/start")
        message = await bot.send_message(ADMIN, f"https://t.me/{BOTS[MARKER].username}?start=ABCD2345")
        await reader.until("tour", facts=facts | {"invited": True})
        running.data.mkdir(exist_ok=True)
        student = {"telegram_id": STUDENT, "monitoring": True}
        (running.data / "students.json").write_text(json.dumps({str(STUDENT): student}))
        await bot.delete_message(ADMIN, message.message_id)
        registered = facts | {"invited": True, "registered": True, "monitoring": True}
        await reader.until("tour", facts=registered)
        lesson = running.portal.world.open_lesson("Physics", "T", "09:00")
        running.portal.world.mark(lesson.id, "a_student")
        await reader.until("tour", facts=registered | {"lesson_open": True, "marked": True})


async def test_facts_of_a_class(running: Stage) -> None:
    """A session, a code, a place, a face, a record and a report each become a fact once they are there."""
    async with (
        running.telegram.serving() as url,
        events(running.url) as reader,
        api(url, TEACHERS) as teachers,
        api(url, STUDENTS) as students,
    ):
        facts = (await reader.until("tour")).data["facts"]
        await running.http.post("/telegram/limits", json={"per_chat_per_second": None})
        await says(running, TEACHERS, TEACHER, text="/start")
        await says(running, STUDENTS, STUDENT, text="/start 482913")
        await teachers.send_message(TEACHER, f"https://t.me/{BOTS[STUDENTS].username}?start=482913")
        await reader.until("tour", facts=(facts := facts | {"session_open": True}))
        button = {"text": "Share", "request_location": True}
        await students.send_message(STUDENT, "Where?", reply_markup={"keyboard": [[button]]})  # type: ignore[arg-type]
        await reader.until("tour", facts=(facts := facts | {"code_entered": True}))
        await says(running, STUDENTS, STUDENT, location={"latitude": 43.25, "longitude": 76.95})
        await reader.until("tour", facts=(facts := facts | {"place_shared": True}))
        await says(running, STUDENTS, STUDENT, video_note={"base64": "AAAA"})
        await reader.until("tour", facts=(facts := facts | {"face_sent": True}))
        record = {"location": "Main", "batch": "CS-101", "subject": "Algorithms", "date": "2026-09-01"}
        await running.http.post("/lms/records", json=record | {"present": ["S001"]})
        await reader.until("tour", facts=(facts := facts | {"recorded": True}))
        await teachers.send_document(TEACHER, b"a,b", filename="report.csv")
        await reader.until("tour", facts=facts | {"report_sent": True})


async def test_starting_over(running: Stage) -> None:
    """Starting over forgets people, lessons, records, facts and the bot's data, and starts the bot again."""
    await running.http.post("/api/people", json={"name": "Nurlan"})
    await says(running, MARKER, ADMIN, text="/start")
    running.portal.world.open_lesson("Physics", "T", "09:00")
    await running.http.post("/portal/behaviour", json={"status": 503})
    (running.data / "photos").mkdir(parents=True)
    (running.data / "photos" / "S001.jpg").write_bytes(b"of their own")
    before = (await running.http.get("/api/sandbox")).json()
    after = (await running.http.post("/api/start-over", json={})).json()
    now = (await running.http.get("/api/sandbox")).json()
    assert now["run"] == after["run"] != before["run"]
    assert [each["name"] for each in now["people"]] == [each.name for each in PEOPLE]
    async with events(running.url) as reader:
        assert (await reader.next()).data == {"run": now["run"], "full": True}
        full = [await reader.next()]
        while full[-1].kind != "lms":
            full.append(await reader.next())
    screens = [each.data["screen"] for each in full if each.kind == "screen"]
    assert len(screens) == sum(len(each.chats) for each in PEOPLE)
    assert not any(each["messages"] or each["started"] for each in screens)
    latest = {each.kind: each.data for each in full}
    portal = latest["portal"]
    assert (portal["lessons"], portal["behaviour"]["status"], portal["behaviour"]["push"]) == ([], None, True)
    assert not any(latest["tour"]["facts"].values())
    assert (running.data / "photos" / "S001.jpg").read_bytes() != b"of their own"
    assert running.bot.starts == 1


async def test_killed_parent() -> None:
    """What the sandbox starts, such as a drawing process, ends with it, also if it is killed."""
    if sys.platform != "linux":
        pytest.skip("the kernel ends a dead process's children on Linux only")
    program = (
        "import asyncio, signal\n"
        "from sandbox.bot_process import die_with_parent\n"
        "async def main():\n"
        "    child = await asyncio.create_subprocess_exec(\n"
        "        'sleep', '600', start_new_session=True, preexec_fn=die_with_parent(signal.SIGKILL))\n"
        "    print(child.pid, flush=True)\n"
        "    await child.wait()\n"
        "asyncio.run(main())\n"
    )
    parent = children.start([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.communicate()
    await eventually_true("the child's end", lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


def picture(side: int = 400) -> str:
    """Return a PNG as base64."""
    file = io.BytesIO()
    Image.new("RGB", (side, side), "teal").save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


async def test_own_photo(running: Stage) -> None:
    """A person's own photograph becomes the ID photo, as a JPEG under the student ID, and the page shows it."""
    assert (await running.http.get(f"/api/photos/{STUDENT}")).status_code == 404
    answer = await running.http.post("/api/photos", json={"person": STUDENT, "image": picture()})
    assert answer.is_success, answer.text
    (person,) = [each for each in running.cast.shown() if each["id"] == STUDENT]
    shown = await running.http.get(person["photo"])
    assert (shown.headers["Content-Type"], shown.content[:3]) == ("image/jpeg", b"\xff\xd8\xff")
    assert (running.data / "photos" / "S001.jpg").read_bytes() == shown.content
    await says(running, STUDENTS, STUDENT, text="/start")
    refused = await running.http.post("/api/notes/send", json={"person": STUDENT, "bot": STUDENTS, "name": "right"})
    assert refused.status_code == 409
    assert "ID photo of their own" in refused.json()["error"]


@pytest.mark.parametrize(
    ("image", "status"),
    [("x", 409), ("AAAA", 409), (picture(50), 409), (7, 400), ("A" * 20_000_000, 409)],
    ids=["no base64", "no picture", "too small", "a number", "too large"],
)
async def test_refused_photos(running: Stage, image: object, status: int) -> None:
    """What is no picture, or is too small or too large, is refused with a reason, and no photo appears."""
    answer = await running.http.post("/api/photos", json={"person": STUDENT, "image": image})
    assert (answer.status_code, list(answer.json())) == (status, ["error"])
    assert not (running.data / "photos" / "S001.jpg").exists()


@pytest.mark.parametrize("person", [1, "x", None, TEACHER])
async def test_photo_of_nobody(running: Stage, person: object) -> None:
    """Only students have an ID photo."""
    answer = await running.http.post("/api/photos", json={"person": person, "image": picture()})
    assert answer.status_code in (400, 404)
    assert "error" in answer.json()
