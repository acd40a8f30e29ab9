"""The sandbox's video notes: the challenge that they answer, drawing and converting them, and what is refused."""

import base64
import io
from collections.abc import AsyncIterator
from itertools import product
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from classroom.domain.face_policy import Examined, Motion, Problem, challenges
from classroom.faces import examining, video
from classroom.student.face_texts import challenge_text
from sandbox import note_drawing
from sandbox.cast import STUDENTS
from sandbox.challenges import motions_in, pending_motions
from sandbox.notes import LARGEST_RECORDING, NAMES, Notes
from sandbox.telegram.text import Formatted
from sandbox.telegram.world import Message
from sandbox.video_notes import RATE, SIZE
from telegram_app.i18n import LANGUAGES, texts
from tests.media.notes import jpeg
from tests.sandbox.stage import Stage, stage

pytestmark = pytest.mark.integration

STUDENT = 2001
ASKED = (Motion.LEFT, Motion.UP)


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path) as found:
        yield found


@pytest.mark.unit
@pytest.mark.parametrize("language", LANGUAGES)
def test_challenges_are_read_in_every_language(language: str) -> None:
    """The motions of each challenge are found in the bot's own text, in each of its languages, in their order."""
    for motions in (*challenges(2), *challenges(3), *product(Motion, repeat=2)):
        assert motions_in(challenge_text(texts(language), motions, 60)) == motions


def chat_with(running: Stage, *written: str, by_bot: bool = True) -> None:
    """Put messages into the student's chat with the student bot."""
    bot, person = running.cast.bot(STUDENTS), running.telegram.world.people[STUDENT]
    assert bot is not None
    chat = bot.chats[STUDENT] = bot.screen(person)
    for text in written:
        number = next(bot.message_ids)
        chat.messages[number] = Message(number, by_bot, 0, Formatted(text))


def waiting(running: Stage) -> tuple[str, ...]:
    bot = running.cast.bot(STUDENTS)
    assert bot is not None
    return pending_motions(bot.screens[STUDENT])


async def test_pending_challenge(running: Stage) -> None:
    """The newest challenge of the bot counts; other texts, and what the person writes, are none."""
    _ = texts("en")
    first, second = (
        challenge_text(_, motions, 60) for motions in ((Motion.LEFT, Motion.UP), (Motion.UP, Motion.RIGHT))
    )
    chat_with(running, "Please look up.")
    assert waiting(running) == ()
    chat_with(running, first, second, "You have 20 s.")
    chat_with(running, first, by_bot=False)
    assert waiting(running) == ("up", "right")


def recorded(container: str, codec: str, width: int, height: int, seconds: float = 1.0) -> bytes:
    """Return a recording as a browser or a camera makes it: a bright middle between dark sides."""
    import av

    file = io.BytesIO()
    with av.open(file, "w", format=container) as out:
        stream: Any = out.add_stream(codec, rate=20)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        picture = np.zeros((height, width, 3), np.uint8)
        side = min(width, height)
        top, left = (height - side) // 2, (width - side) // 2
        picture[top : top + side, left : left + side] = 200
        for _at in range(round(20 * seconds)):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        out.mux(stream.encode())
    return file.getvalue()


@pytest.mark.parametrize(
    ("container", "codec", "width", "height"),
    [("mp4", "libx264", 320, 240), ("webm", "libvpx", 240, 320), ("webm", "libvpx-vp9", 640, 360)],
)
def test_recordings_become_notes(container: str, codec: str, width: int, height: int) -> None:
    """A recording of any shape becomes a square H.264 note of the same length, which the product reads."""
    content, seconds = note_drawing.recording(recorded(container, codec, width, height))
    assert seconds == pytest.approx(1.0, abs=2 / RATE)
    frames = list(video.frames(content))
    assert frames[0].picture.shape == (SIZE, SIZE, 3)
    assert frames[0].picture.mean() > 150  # cropped to the bright middle


@pytest.mark.parametrize("content", [b"", b"#EXTM3U\nhttp://127.0.0.1/x", b"\0\0\0\x18ftypmp42" + bytes(90)])
def test_what_is_no_recording(content: bytes) -> None:
    """A playlist, a damaged file and an empty one are refused before anything else is opened."""
    with pytest.raises(note_drawing.Unusable):
        note_drawing.recording(content)


@pytest.mark.ordeal
def test_longest_recording() -> None:
    """Only the first minute of a recording is used, as Telegram's apps record one minute."""
    _content, seconds = note_drawing.recording(recorded("mp4", "libx264", 32, 32, seconds=70))
    assert seconds == pytest.approx(60.0, abs=0.1)


async def sends(running: Stage, **what: object) -> tuple[int, str]:
    """Send a note as the student; return the status and the error."""
    body = {"person": STUDENT, "bot": STUDENTS} | what
    answer = await running.http.post("/api/notes/send", json=body)
    return answer.status_code, answer.json().get("error", "")


@pytest.mark.ordeal
async def test_prepared_note(running: Stage) -> None:
    """A prepared note answers the challenge in the chat; it is drawn once, and each sending is a new recording."""
    chat_with(running, challenge_text(texts("ru"), ASKED, 60))
    for _twice in range(2):
        assert await sends(running, name="right") == (200, "")
    bot = running.cast.bot(STUDENTS)
    assert bot is not None
    one, other = (each["message"]["video_note"] for _at, each in bot.updates)
    assert one["file_unique_id"] != other["file_unique_id"]
    assert one["duration"] == other["duration"] >= 2
    note, again = (bot.files[each["file_id"]].content for each in (one, other))
    assert note[:-8] == again[:-8]  # the drawing is the same
    template = examining.template_of(jpeg(cv2.imread(str(note_drawing.portrait_file("admiral")))))  # type: ignore[arg-type]
    examined = examining.examine(again, ASKED, template)
    assert (examined.problem, examined.seen) == (None, ASKED)


async def test_refused_notes(running: Stage) -> None:
    """An unknown note or bot, no base64, a file that is too large and one that is no video are refused with reasons."""
    assert (await sends(running, name="right"))[0] == 409  # the chat begins with Start
    chat_with(running)
    for status, what in (
        (409, {"name": "perfect"}),
        (409, {"file": "x"}),
        (409, {"file": "A" * (LARGEST_RECORDING * 4 // 3 + 8)}),
        (409, {"file": base64.b64encode(b"no video").decode()}),
        (400, {"file": 1}),
        (400, {}),
        (404, {"name": "right", "bot": "another_bot"}),
        (404, {"name": "right", "person": 9}),
    ):
        answered, error = await sends(running, **what)
        assert (answered, bool(error)) == (status, True), what


async def test_own_recording(running: Stage) -> None:
    """A recording of the person's own arrives as a video note with its length."""
    chat_with(running)
    recording = base64.b64encode(recorded("webm", "libvpx", 160, 120, seconds=2.5)).decode()
    assert await sends(running, file=recording) == (200, "")
    bot = running.cast.bot(STUDENTS)
    assert bot is not None
    ((_at, update),) = bot.updates
    assert update["message"]["video_note"]["duration"] == 3


async def test_portraits_are_the_id_photos(running: Stage) -> None:
    """The first two students' ID photos are the portraits, which the product accepts; another start keeps them."""
    notes = Notes(running.cast, running.data.parent / "drawings", print)
    await notes.photograph()
    photos = {path.name: path.read_bytes() for path in (running.data / "photos").iterdir()}
    assert set(photos) == {"S001.jpg", "S002.jpg"}
    assert [examining.check_photo(each) for each in photos.values()] == [None, None]
    (running.data / "photos" / "S001.jpg").write_bytes(b"of their own")
    await notes.photograph()
    assert (running.data / "photos" / "S001.jpg").read_bytes() == b"of their own"


@pytest.mark.ordeal
@pytest.mark.parametrize("portrait", note_drawing.PORTRAITS)
@pytest.mark.parametrize("name", NAMES)
def test_what_the_product_finds_in_prepared_notes(portrait: str, name: str) -> None:
    """Each prepared note is found to be what its name says; the right person passes every challenge."""
    first, second = note_drawing.PORTRAITS
    shown = portrait if name != "other" else second if portrait == first else first
    template = examining.template_of(jpeg(cv2.imread(str(note_drawing.portrait_file(portrait)))))  # type: ignore[arg-type]
    for motions in (*challenges(2), *challenges(3)) if name == "right" else challenges(2)[:2]:
        content, _seconds = note_drawing.draw(name, shown, tuple(motions))
        examined = examining.examine(content, motions, template)
        assert expected(name, examined), (motions, examined.problem, examined.seen, examined.percent)


def expected(name: str, examined: Examined) -> bool:
    percent = examined.percent or 0.0
    if name in ("right", "other"):
        return examined.problem is None and (percent >= 70.0) is (name == "right")
    problems = {"photo": {Problem.FLAT, Problem.NOT_SEEN}, "none": {Problem.NO_FACE}, "wrong": {Problem.NOT_SEEN}}
    return examined.problem in problems[name]
