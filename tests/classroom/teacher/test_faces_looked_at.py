"""Check-ins that the teacher looks at one after the other, and matches that the teacher confirms."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from classroom.domain import face_policy as faces
from classroom.domain.location_policy import JUST_OUTSIDE
from classroom.domain.sessions import CheckIn, CheckInStep
from classroom.store import Store
from tests.classroom.face_fakes import Recording
from tests.classroom.running import TEACHERS
from tests.classroom.teacher.test_faces_unchecked import ROSTER, Scene
from tests.e2e.people import Telegram, eventually, labels

pytestmark = pytest.mark.integration

SIMILAR, PLAIN = "Similarity: ", "Is this student in class?"


@pytest.fixture
def scene(tmp_path: Path, telegram: Telegram) -> Iterator[Scene]:
    """Give an open session of batch CS-1 where a match marks by itself."""
    scene = Scene(tmp_path, telegram, "CS-1")
    yield scene
    scene.run.stops()


@pytest.fixture
def sorting(tmp_path: Path, telegram: Telegram) -> Iterator[Scene]:
    """Give an open session of batch CS-1 where a match only sorts the teacher's list."""
    scene = Scene(tmp_path, telegram, "CS-1", face_decides=False)
    yield scene
    scene.run.stops()


def nothing_shown(scene: Scene) -> None:
    """Wait until no check-in is shown alone, and no picture is on the disk."""
    eventually("nothing is shown", lambda: not scene.teacher.counts(SIMILAR) and not scene.teacher.counts(PLAIN))
    folder = scene.folder / "classroom" / "reviews"
    eventually("none is on the disk", lambda: not folder.is_dir() or not list(folder.iterdir()))


def just_outside(scene: Scene, number: int, student_id: str) -> Recording:
    """Return a student whose location is just outside."""
    student = Recording(scene.telegram, number)
    student.says(f"/start {scene.code}")
    student.sees("student ID")
    student.says(student_id)
    student.sees("The code is right")
    student.shares(80)
    student.sees("Your teacher has to look at your check-in")
    return student


class TestOneAfterTheOther:
    def test_next_comes_by_itself(self, scene: Scene) -> None:
        """The board counts whom to look at; each is shown with the pictures there are, and the next one follows."""
        first, second = scene.unclear(2001, "S001"), just_outside(scene, 2002, "S002")
        third = scene.unclear(2003, "S003", "flat")
        teacher = scene.teacher
        board = teacher.sees("To look at: 3")["text"]
        assert "- A. Student (S001): the face match is unclear" in board
        assert "- B. Student (S002): just outside (80 m)" in board
        assert "photograph" not in board
        assert teacher.counts(SIMILAR) == 0  # nothing is shown before it is asked for
        teacher.taps("Look at Them (3)")
        shown = teacher.sees("A. Student (S001)\nNot clearly this student.\nSimilarity: 67 %.\nLeft the ID photo")
        assert (bool(shown["photo"]), shown["rang"]) == (True, False)
        assert labels(shown) == ["Accept", "Reject", "Later (2 more)"]
        teacher.taps("Later (2 more)")
        shown = teacher.sees("B. Student (S002)\njust outside (80 m)\nIs this student in class?")
        assert not shown.get("photo")
        teacher.taps("Accept")
        second.sees("Attendance marked")
        shown = teacher.sees("C. Student (S003)\nIt may be a photograph.\nLeft the ID photo")
        assert labels(shown) == ["Accept", "Reject", "Later (1 more)"]
        teacher.taps("Reject")
        third.sees("Your teacher did not accept the check-in")
        teacher.sees("A. Student (S001)\nNot clearly")
        teacher.taps("Accept")
        first.sees("Attendance marked")
        nothing_shown(scene)
        assert scene.steps() == {"S001": "done", "S002": "done", "S003": "rejected"}
        eventually("all taps are answered", lambda: scene.telegram.unanswered_taps() == [])
        assert scene.telegram.refused_calls() == []

    def test_two_taps(self, scene: Scene) -> None:
        """A second tap, a tap on the other button, and one for another video of the student change nothing."""
        first, second = scene.unclear(2001, "S001"), scene.unclear(2002, "S002")
        scene.teacher.taps("Look at Them (2)")
        accept, reject = scene.teacher.sees("A. Student (S001)\nNot")["buttons"][0]
        scene.teacher.forges(accept["data"] + "1")
        scene.teacher.settles()
        assert scene.steps() == {"S001": "review", "S002": "review"}
        for data in (accept["data"], accept["data"], reject["data"]):
            scene.teacher.forges(data)
        scene.teacher.settles()
        first.sees("Attendance marked")
        assert scene.steps() == {"S001": "done", "S002": "review"}
        eventually("one is shown", lambda: scene.teacher.counts(SIMILAR) == 1)
        scene.teacher.sees("B. Student (S002)\nNot")
        assert (first.counts("did not accept"), second.counts("Attendance marked")) == (0, 0)

    def test_marked_by_hand_meanwhile(self, scene: Scene) -> None:
        """A mark by hand takes the student's message from the screen; a late tap on it changes nothing."""
        student = scene.unclear(2001, "S001")
        scene.teacher.taps("Look at Them (1)")
        reject = scene.teacher.sees("A. Student (S001)\nNot")["buttons"][0][1]["data"]
        scene.teacher.taps("Mark by Hand")
        scene.teacher.taps("A. Student: absent")
        scene.teacher.taps("Excused")
        scene.teacher.taps("No Reason")
        student.sees("Your teacher has marked you: excused")
        nothing_shown(scene)
        scene.teacher.forges(reject)
        scene.teacher.settles()
        assert student.counts("did not accept") == 0

    @pytest.mark.parametrize("outside", [False, True])
    def test_cancelled(self, scene: Scene, outside: bool) -> None:
        """With the session's cancelling what is shown goes, pictures or not."""
        _student = just_outside(scene, 2001, "S001") if outside else scene.unclear(2001, "S001")
        scene.teacher.taps("Look at Them (1)")
        scene.teacher.sees("A. Student (S001)\n" + ("just outside" if outside else "Not clearly"))
        scene.teacher.taps("Cancel Session")
        scene.teacher.taps("Yes, Cancel It")
        scene.teacher.sees("Cancelled: nothing is recorded.")
        nothing_shown(scene)

    def test_closed_reopened_restarted(self, scene: Scene) -> None:
        """Closing, reopening and a restart leave what is shown as it is; another tap shows it anew, once."""
        student = scene.unclear(2001, "S001")
        scene.teacher.taps("Look at Them (1)")
        scene.teacher.sees("Similarity: 67 %.")
        scene.teacher.taps("Close Now")
        scene.teacher.sees("Closed at")
        scene.teacher.taps("Reopen")
        scene.teacher.sees(" s left")
        scene.run.starts(face_engine="local")
        assert scene.teacher.counts(SIMILAR) == 1
        scene.teacher.taps("Look at Them (1)")
        scene.teacher.settles()
        assert scene.teacher.sees("Similarity: 67 %.")["photo"]
        eventually("it is shown once", lambda: scene.teacher.counts(SIMILAR) == 1)
        scene.teacher.taps("Accept")
        student.sees("Attendance marked")
        nothing_shown(scene)

    def test_two_accounts(self, scene: Scene) -> None:
        """Of two accounts with one ID the right one is accepted there, too."""
        first = scene.unclear(2001, "S001")
        other = Recording(scene.telegram, 2002)
        other.says("/start")
        other.says(f"S001 {scene.code}")
        other.sees("Your teacher has to look at your check-in")
        scene.teacher.taps("Look at Them (1)")
        wanted = ["Accept No. 2001", "Accept No. 2002", "Reject"]
        scene.teacher.waits("the two accounts", lambda messages: any(labels(each) == wanted for each in messages))
        scene.teacher.taps("Accept No. 2002")
        other.sees("Attendance marked")
        first.sees("Your teacher did not accept the check-in")
        eventually("nothing is shown", lambda: scene.teacher.counts("several Telegram accounts sent this ID\n") == 0)
        nothing_shown(scene)


class TestAMatchThatDoesNotDecide:
    def test_confirmed_with_one_tap(self, sorting: Scene) -> None:
        """Matches wait as clearly these students, and one tap confirms them all, but nobody else; the rest is named."""
        first, second = (sorting.challenged(2001 + at, f"S00{1 + at}") for at in range(2))
        for student in (first, second):
            student.records("95")
            student.sees("Your video is checked. Your teacher confirms it")
        declined = sorting.declines(2003, "S003")
        board = sorting.teacher.sees("Clearly the student: 2\nWithout a face check: 1\n- C. Student (S003)")
        assert "Confirm All (2)" in labels(board)
        assert "Without a Face Check (1)" in labels(board)
        assert not any(label.startswith("Look at") for label in labels(board))
        assert sorting.steps() == dict.fromkeys(("S001", "S002", "S003"), "confirm")
        sorting.teacher.taps("Confirm All (2)")
        for student in (first, second):
            student.sees("Attendance marked")
        sorting.teacher.reads_toast("Confirmed: 2")
        assert sorting.steps() == {"S001": "done", "S002": "done", "S003": "confirm"}
        sorting.teacher.taps("Without a Face Check (1)")
        sorting.teacher.taps("Yes, Confirm These (1)")
        declined.sees("Attendance marked")

    def test_one_of_them_is_not_in_class(self, sorting: Scene) -> None:
        """A match can be rejected in the list: a video proves no presence."""
        student = sorting.challenged(2001, "S001")
        student.records("95")
        student.sees("Your teacher confirms it")
        sorting.teacher.taps("Check One by One")
        sorting.teacher.sees("clearly this student")
        sorting.teacher.taps("Reject A. Student")
        student.sees("did not accept")

    def test_a_crash_before_the_message(self, sorting: Scene) -> None:
        """After a crash between the result and its message the student is told once, and still waits."""
        student = sorting.challenged(2001, "S001")
        student.records("95")
        student.sees("Your teacher confirms it")
        sorting.run.starts(face_engine="local")
        sorting.teacher.taps("Confirm All (1)")
        student.sees("Attendance marked")
        assert student.counts("Your teacher confirms it") == 1

    def test_the_engine_is_switched_off(self, sorting: Scene) -> None:
        """With FACE_ENGINE=none at the next start everybody who waits is in Confirm All, as always there."""
        student = sorting.challenged(2001, "S001")
        student.records("95")
        student.sees("Your teacher confirms it")
        declined = sorting.declines(2002, "S002")
        sorting.run.starts(face_engine="none")
        sorting.teacher.taps("Confirm All (2)")
        for each in (student, declined):
            each.sees("Attendance marked")


@pytest.mark.ordeal
def test_sixty(tmp_path: Path, telegram: Telegram, monkeypatch: pytest.MonkeyPatch) -> None:
    """A board of 60 who wait, with the longest names, fits into a caption, and each group is confirmed."""
    groups = {"R": (CheckInStep.REVIEW, f"{faces.FACE}: {faces.Problem.DARK}"), "C": (CheckInStep.CONFIRM, faces.CLEAR)}
    groups |= {"N": (CheckInStep.CONFIRM, faces.NO_PHOTO)}
    batch = [(f"{letter}{at:02}{'X' * 60}", f"{'W' * 110} {letter}{at:02}") for letter in groups for at in range(20)]
    monkeypatch.setitem(ROSTER, "CS-60", batch)
    scene = Scene(tmp_path, telegram, "CS-60", face_decides=False)

    async def all_wait(store: Store) -> None:
        (session,) = await store.unfinished()
        for at, (student_id, _name) in enumerate(batch):
            step, note = groups[student_id[0]]
            there = CheckIn(session.id, student_id, 3000 + at, step, scene.clock.now(), note=note, distance=3.0)
            await store.begin_check_in(replace(there, note=JUST_OUTSIDE) if student_id.startswith("R1") else there)

    scene.run.changes_store(all_wait)
    scene.run.starts(face_engine="local")
    board = scene.teacher.sees("To look at: 20")
    assert len(board["text"]) <= 1024
    assert "Clearly the student: 20" in board["text"]
    assert "Without a face check: 20" in board["text"]
    scene.teacher.taps("Confirm All (20)")
    scene.teacher.sees("In: 20 of 60")
    scene.teacher.taps("Without a Face Check (20)")
    scene.teacher.taps("Yes, Confirm These (20)")
    scene.teacher.sees("In: 40 of 60")
    scene.teacher.taps("Look at Them (20)")
    for left in range(19, 17, -1):
        later = f"Later ({left} more)"
        scene.teacher.waits(later, lambda messages: any(later in labels(each) for each in messages))  # noqa: B023
        scene.teacher.taps("Accept")
        scene.teacher.sees(f"In: {60 - left} of 60")
    scene.teacher.settles()
    assert [call for call in scene.telegram.refused_calls() if call["bot"] == TEACHERS] == []
    scene.run.stops()
