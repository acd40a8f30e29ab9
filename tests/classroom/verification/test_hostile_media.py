"""Hostile notes and ID photos through the whole bot with the real engine: nobody is marked, an honest student is."""

import io
from pathlib import Path

import pytest
from PIL import Image

from tests.classroom.face_fakes import Recording
from tests.classroom.running import RunningClock, Teacher, classroom, rosters
from tests.classroom.test_face_composition import asked, sent
from tests.e2e.people import Telegram, eventually, labels
from tests.media.hostile import growing_note
from tests.media.notes import ADMIRAL, jpeg, portrait, recorded
from tests.servers import in_thread

pytestmark = [pytest.mark.integration, pytest.mark.ordeal]

LIST = b"ffconcat version 1.0\nfile 'data/photos/S001.jpg'\n"
DESCRIPTION = b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 41234 RTP/AVP 96\n"
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100)


def huge_png() -> bytes:
    """Return a small file with a picture of 30,000 x 30,000."""
    stream = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(stream, "PNG")
    return stream.getvalue()


def test_hostile_media(tmp_path: Path, telegram: Telegram) -> None:
    """Each hostile input ends with the teacher or another try; Confirm All has only the honest student."""
    notes = [growing_note(240, 4096), growing_note(240, 4096, is_raw=True), LIST, DESCRIPTION]
    photos = {"S001": jpeg(portrait(ADMIRAL)), "S006": huge_png(), "S007": HEIC, "S008": b"", "S009": LIST}
    photos |= {f"S00{2 + at}": photos["S001"] for at in range(len(notes))}
    rosters(tmp_path, {"CS-1": [(each, f"Student {each}") for each in sorted(photos)]})
    (tmp_path / "photos").mkdir()
    for student_id, content in photos.items():
        (tmp_path / "photos" / f"{student_id}.jpg").write_bytes(content)
    running = classroom(
        tmp_path, telegram.url, RunningClock(), face_engine="local", face_decides=False, otp_expiry_seconds=900
    )
    with in_thread(running):
        teacher = Teacher(telegram, 7001, "+77010000001")
        teacher.signs_in()
        code = teacher.opens("CS-1")
        people = {student_id: Recording(telegram, 2000 + int(student_id[1:])) for student_id in sorted(photos)}
        for student_id, student in people.items():
            student.comes(code, student_id)
        for at, content in enumerate(notes):
            student = people[f"S00{2 + at}"]
            student.agrees()  # only now: a challenge lasts a minute
            before = student.sees("Record a round video")["message_id"]
            student.sends(video_note=sent(content + bytes([at])))
            eventually("another challenge", lambda: student.sees("Record a round video")["message_id"] != before)  # noqa: B023
            student.sends(video_note=sent(content + bytes([at, 1])))
        honest = people["S001"]
        honest.agrees()
        own = recorded(ADMIRAL, asked(honest))
        honest.sends(video_note=sent(own))
        honest.sees("Your video is checked. Your teacher confirms it")
        for student_id in ("S006", "S007", "S008", "S009"):
            people[student_id].agrees()
            people[student_id].sends(video_note=sent(own + student_id.encode()))
            assert "ID photo" in people[student_id].sees("Your teacher has to confirm")["text"]
        for at in range(len(notes)):
            people[f"S00{2 + at}"].sees("Your teacher has to look at your check-in")
        wanted = {"Confirm All (1)", "Without a Face Check (4)", "Look at Them (4)"}
        eventually("all are sorted", lambda: wanted <= set(labels(teacher.sees("Clearly the student: 1"))))
        teacher.taps("Look at Them (4)")
        shown = teacher.sees("The video can't be read.")
        assert "photograph" not in shown["text"]
        teacher.taps("Confirm All (1)")
        honest.sees("Attendance marked")
    kept = [each.read_bytes() for each in (tmp_path / "classroom").rglob("*") if each.is_file()]
    assert not any(own[:500] in each for each in kept)
