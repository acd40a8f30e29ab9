"""What could go wrong while a teacher looks at faces: races, forged buttons, deleted data, moved sessions."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.classroom.running import STUDENTS, TEACHERS, Teacher
from tests.classroom.teacher.test_account_moves import makes_code
from tests.classroom.teacher.test_faces_looked_at import SIMILAR, just_outside, nothing_shown
from tests.classroom.teacher.test_faces_unchecked import Scene
from tests.e2e.people import Telegram, eventually

pytestmark = pytest.mark.integration


@pytest.fixture
def scene(tmp_path: Path, telegram: Telegram) -> Iterator[Scene]:
    """Give an open session of batch CS-1 where a match only sorts the teacher's list."""
    scene = Scene(tmp_path, telegram, "CS-1", face_decides=False)
    yield scene
    scene.run.stops()


def test_a_match_that_is_never_confirmed(scene: Scene) -> None:
    """Whose face matched is told so when the teacher never confirms; the reports say it, the teacher is reminded."""
    student = scene.challenged(2001, "S001")
    student.records("95")
    student.sees("Your teacher confirms it")
    scene.teacher.taps("Close Now")
    scene.teacher.sees("Closed at")
    scene.clock.forward(20)
    report = scene.teacher.sees("(provisional)")["text"]
    assert "Waiting for the teacher: 1" in report
    assert "- A. Student: not confirmed" in report
    scene.clock.forward(3600)
    reminder = scene.teacher.sees("Still waiting for you: 1. Who is not confirmed by")
    assert reminder["rang"]
    scene.run.starts(face_engine="local")
    scene.clock.forward(3600)
    scene.teacher.taps("Open Session")
    scene.teacher.sees("Clearly the student: 1")
    scene.clock.forward(11 * 3600)
    scene.teacher.sees("(final)")
    student.sees("Your check-in for Algebra was not confirmed in time")
    scene.run.starts(face_engine="local")
    student.says(f"/start {scene.code}")
    scene.teacher.settles()
    assert scene.teacher.counts("Still waiting for you") == 1
    assert student.counts("did not accept") == 0
    assert student.counts("was not confirmed in time") == 1
    assert "- A. Student: not confirmed" in scene.teacher.sees("(final)")["text"]


def test_an_unclear_face_that_is_never_confirmed(scene: Scene) -> None:
    """After the twelve hours no picture of an undecided check-in is left."""
    student = scene.unclear(2001, "S001")
    scene.teacher.taps("Look at Them (1)")
    scene.teacher.sees(SIMILAR)
    scene.clock.forward(13 * 3600)
    student.sees("was not confirmed in time")
    nothing_shown(scene)


@pytest.mark.parametrize("outside", [False, True])
def test_data_deleted_while_shown(scene: Scene, outside: bool) -> None:
    """A student who deletes the data takes what is shown of it from the teacher's screen, pictures or not."""
    student = just_outside(scene, 2001, "S001") if outside else scene.unclear(2001, "S001")
    scene.teacher.taps("Look at Them (1)")
    accept, reject = scene.teacher.sees("A. Student (S001)\n")["buttons"][0]
    student.says("/delete_me")
    student.taps("Yes, Delete")
    student.sees("Your data is deleted.")
    nothing_shown(scene)
    for button in (accept, reject):
        scene.teacher.forges(button["data"])
    scene.teacher.settles()
    assert scene.steps() == {}
    assert student.counts("Attendance marked") == student.counts("did not accept") == 0


@pytest.mark.parametrize("outside", [False, True])
def test_unlinked_while_shown(scene: Scene, outside: bool) -> None:
    """An unlinked student is no longer shown."""
    student = just_outside(scene, 2001, "S001") if outside else scene.unclear(2001, "S001")
    scene.teacher.taps("Look at Them (1)")
    scene.teacher.sees("A. Student (S001)\n")
    scene.teacher.taps("Mark by Hand")
    scene.teacher.taps("A. Student: absent")
    scene.teacher.taps("Unlink Telegram")
    scene.teacher.taps("Yes, Unlink")
    student.sees("has unlinked the student ID")
    nothing_shown(scene)


def test_moved_while_shown(scene: Scene) -> None:
    """Faces do not stay in the chat of the account that a teacher has left."""
    student = scene.unclear(2001, "S001")
    scene.teacher.taps("Look at Them (1)")
    accept = scene.teacher.sees(SIMILAR)["buttons"][0][0]["data"]
    new = Teacher(scene.telegram, 7009, "+77010000099", "New")
    new.says(f"/start {makes_code(scene.teacher)}")
    new.taps("Move Here")
    new.sees("Your sessions are now in this Telegram account.")
    eventually("the old chat has no face", lambda: scene.teacher.counts(SIMILAR) == 0)
    scene.teacher.forges(accept)
    new.taps("Look at Them (1)")
    new.sees(SIMILAR)
    assert scene.steps() == {"S001": "review"}
    new.taps("Accept")
    student.sees("Attendance marked")
    eventually("the new chat has none", lambda: new.counts(SIMILAR) == 0)


@pytest.mark.parametrize("order", [0, *(pytest.param(each, marks=pytest.mark.ordeal) for each in (1, 2))])
def test_taps_at_once(scene: Scene, order: int) -> None:
    """Accept, Reject, Look at Them and Confirm All from two phones at once: one decision, told once, nothing left."""
    students = [scene.unclear(2001 + at, f"S00{1 + at}") for at in range(3)]
    scene.teacher.taps("Look at Them (3)")
    accept, reject = scene.teacher.sees("A. Student (S001)\n")["buttons"][0]
    key = accept["data"].split(":")[1]
    shown = next(each for each in reversed(scene.teacher.screen()) if each["from"] == "bot")["message_id"]
    taps = [accept["data"], reject["data"], f"look:{key}", f"all:{key}", f"look:{key}:0", f"look:{key}:99999"] * 2
    random.Random(order).shuffle(taps)
    scene.telegram.taps_at_once(TEACHERS, 7001, shown, taps, forged=True)
    eventually("it is decided", lambda: scene.steps()["S001"] != "review")
    scene.teacher.settles()
    assert scene.steps()["S001"] in ("done", "rejected")
    assert scene.steps() | {"S001": ""} == {"S001": "", "S002": "review", "S003": "review"}
    told = "Attendance marked" if scene.steps()["S001"] == "done" else "did not accept"
    students[0].sees(told)
    eventually("one is shown", lambda: scene.teacher.counts(SIMILAR) <= 1)
    assert students[0].counts("Attendance marked") + students[0].counts("did not accept") == 1
    eventually("all taps are answered", lambda: scene.telegram.unanswered_taps() == [])


@pytest.mark.ordeal
def test_forged_buttons(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """Odd numbers, another teacher's buttons, and a student's own taps decide nothing and break nothing."""
    student, _other = scene.unclear(2001, "S001"), scene.declines(2002, "S002")
    scene.teacher.taps("Look at Them (1)")
    accept = scene.teacher.sees(SIMILAR)["buttons"][0][0]["data"]
    key, video = accept.split(":")[1], accept.split(":")[3]
    stranger = Teacher(scene.telegram, 7002, "+77010000002", "B")
    stranger.signs_in()
    shown = scene.teacher.sees("You are signed in.")["message_id"]
    kinds = ["fok", "fno", "fowner", "owner", "ok", "no", "st", "free", "freed", "mk", "mkn", "look", "hand", "check"]
    kinds += ["names", "confirmed", "extend", "fix", "leave"]
    odd = ("-1", "99999", "9" * 18, "9" * 40, "\u0663", "", "0:-1", f"99999:{video}", "0:" + "9" * 18)
    for kind in kinds:
        taps = [f"{kind}:{key}:{value}" for value in odd]
        scene.telegram.taps_at_once(TEACHERS, 7001, shown, taps, forged=True)
        scene.teacher.settles()
        for data in (f"{kind}:{key}:0:{video}", f"{kind}:{key}:0", f"{kind}:{key}"):
            stranger.forges(data)
    message = next(each for each in reversed(student.screen()) if each["from"] == "bot")["message_id"]
    taps = [accept, f"face:no:{key}", f"face:class:{key}", f"face:new:{key}", "class:stop", f"all:{key}"]
    scene.telegram.taps_at_once(STUDENTS, 2001, message, taps, forged=True)
    scene.teacher.settles()
    stranger.settles()
    eventually("all taps are answered", lambda: scene.telegram.unanswered_taps() == [])
    assert scene.steps() == {"S001": "review", "S002": "confirm"}
    assert [each.message for each in caplog.records if each.exc_info] == []
    assert "Algebra" not in str([each["text"] for each in stranger.screen()])
