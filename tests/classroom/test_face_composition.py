"""Face checks composed from the settings: the local engine with a folder of photos, and AWS."""

import base64
from pathlib import Path

import pytest
from pydantic import SecretStr

from classroom.face_composition import engine_of, photos_of
from core.clock import SystemClock
from core.settings import Settings
from sandbox.challenges import motions_in
from tests.classroom.face_fakes import Recording
from tests.classroom.face_fakes import jpeg as one_colour
from tests.classroom.running import STUDENT_TOKEN, RunningClock, Teacher, classroom, rosters
from tests.e2e.people import Telegram, eventually
from tests.media.notes import ADMIRAL, flat, jpeg, portrait, recorded
from tests.servers import in_thread

pytestmark = pytest.mark.integration


def asked(student: Recording) -> tuple[str, ...]:
    """Return the motions of the challenge on the screen in order."""
    return motions_in(student.sees("Record a round video")["text"])


def sent(content: bytes) -> dict[str, object]:
    """Return a note as a client sends it."""
    return {"base64": base64.b64encode(content).decode("ascii"), "duration": 5}


@pytest.mark.ordeal
def test_local(tmp_path: Path, telegram: Telegram) -> None:
    """With real adapters a turned photograph is refused, and the person on the ID photo is marked."""
    rosters(tmp_path, {"CS-1": [("S001", "A. Student"), ("S002", "B. Student")]})
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "S001.jpg").write_bytes(jpeg(portrait(ADMIRAL)))
    (tmp_path / "photos" / "S002.jpg").write_bytes(one_colour("green"))
    with in_thread(classroom(tmp_path, telegram.url, RunningClock(), face_engine="local", otp_expiry_seconds=900)):
        teacher = Teacher(telegram, 7001, "+77010000001")
        teacher.signs_in()
        code = teacher.opens("CS-1")
        student = Recording(telegram, 2001)
        student.comes(code)
        student.agrees()
        first = student.sees("Record a round video")["message_id"]
        student.sends(video_note=sent(recorded(ADMIRAL, asked(student), flat)))
        eventually("the next challenge", lambda: student.sees("Record a round video")["message_id"] != first)
        student.sends(video_note=sent(recorded(ADMIRAL, asked(student))))
        student.sees("Attendance marked")
        faceless = Recording(telegram, 2002)
        faceless.comes(code, "S002")
        faceless.agrees()
        faceless.records()
        faceless.sees("Your ID photo can't be used for the comparison")


async def test_aws(tmp_path: Path) -> None:
    """With Rekognition and a bucket both adapters use AWS, and the challenge checker is closed with the engine."""
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]  # pydantic-settings' own keyword
        student_bot_token=SecretStr(STUDENT_TOKEN),
        data_dir=tmp_path,
        face_engine="rekognition",
        aws_s3_bucket="photos",
    )
    engine, photos = engine_of(settings, SystemClock()), photos_of(settings)
    assert (engine.name, engine.keeps_templates) == ("rekognition", False)
    await engine.close()
    await photos.close()
