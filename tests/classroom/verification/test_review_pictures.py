"""Pictures for reviews, downloads of notes, and the picture of how to record one."""

import base64
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from PIL import Image
from telegram import Bot
from telegram.error import BadRequest, InvalidToken, NetworkError, RetryAfter, TelegramError, TimedOut

from classroom.composition import PICTURES
from classroom.domain.face_policy import LARGEST_NOTE
from classroom.domain.video_notes import NoteError, NoteGone, NoteUnavailable
from classroom.face_composition import downloads
from classroom.student.face_traces import ROUND_VIDEO
from classroom.verification.reviews import GAP, HEIGHT, REVIEW, ReviewFiles, side_by_side
from core.encryption import Cipher
from telegram_app.files import SHIPPED, by_prefix, files_in
from tests.classroom.face_fakes import jpeg
from tests.classroom.running import KEY
from tools.draw_round_video import draw

pytestmark = pytest.mark.unit


SECRET = "1234567890:AAsecret"


class TestSideBySide:
    def test_both(self) -> None:
        """Both pictures are side by side, the first one left, in a small file."""
        content = side_by_side(jpeg("red"), jpeg("blue"))
        with Image.open(io.BytesIO(content)) as picture:
            width = (picture.width - GAP) // 2
            left, right = (picture.getpixel((x, HEIGHT // 2)) for x in (width // 2, picture.width - width // 2))
            assert picture.height == HEIGHT
        assert isinstance(left, tuple)
        assert isinstance(right, tuple)
        assert left[0] > 200 > left[2]
        assert right[2] > 200 > right[0]
        assert len(content) < 30_000

    def test_upright_and_without_what_cameras_write(self) -> None:
        """A picture is rotated by its EXIF data, and no metadata is passed on."""
        stream, exif = io.BytesIO(), Image.Exif()
        exif[0x0112], exif[0x010F] = 6, "A Camera"
        Image.new("RGB", (400, 200), "red").save(stream, "JPEG", exif=exif)
        with Image.open(io.BytesIO(side_by_side(stream.getvalue()))) as picture:
            assert picture.size == (HEIGHT // 2, HEIGHT)
            assert dict(picture.getexif()) == {}

    @pytest.mark.parametrize("content", [b"", b"no picture", jpeg("red")[:200]])
    def test_no_picture(self, content: bytes) -> None:
        """Content that is not a picture raises a ValueError."""
        with pytest.raises(ValueError, match="picture"):
            side_by_side(jpeg("red"), content)


class TestFiles:
    async def test_sealed_until_decided(self, tmp_path: Path) -> None:
        """On disk the picture is encrypted and readable only by the owner; with the decision it is deleted."""
        files = ReviewFiles(tmp_path / "reviews", Cipher(KEY))
        files.write("one", jpeg("red"), 67.2)
        (file,) = (tmp_path / "reviews").iterdir()
        assert jpeg("red")[:20] not in file.read_bytes()
        assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
        assert files.read("one") == (jpeg("red"), 67.2, True)
        make = by_prefix({REVIEW: files.make}, files_in(tmp_path))
        assert await make(f"{REVIEW}one") == ("review.jpg", jpeg("red"))
        files.remove("one")
        assert await make(f"{REVIEW}one") is None
        assert files.read("one") is None

    def test_of_an_older_version(self, tmp_path: Path) -> None:
        """A picture that an older version stored shows ID photo and video."""
        files = ReviewFiles(tmp_path, Cipher(KEY))
        content = {"percent": None, "jpeg": base64.b64encode(b"both").decode()}
        (tmp_path / "one").write_text(Cipher(KEY).encrypt(json.dumps(content)))
        assert files.read("one") == (b"both", None, True)

    def test_another_key(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        """A picture encrypted with another key is skipped, and logged without its content."""
        ReviewFiles(tmp_path, Cipher(KEY)).write("one", jpeg("red"), None)
        assert ReviewFiles(tmp_path, Cipher("b3RoZXItLWtleS1vZi0zMi1ieXRlcy1mb3ItdGVzdHM=")).read("one") is None
        assert "can't be read: EncryptionKeyError" in caplog.text

    def test_cleaned(self, tmp_path: Path) -> None:
        """Pictures that could not be sent are deleted after their time."""
        files = ReviewFiles(tmp_path / "reviews", Cipher(KEY))
        assert files.clean(datetime.now(UTC)) == 0
        files.write("one", jpeg("red"), None)
        assert files.clean(datetime.now(UTC) - timedelta(days=1)) == 0
        assert files.clean(datetime.now(UTC) + timedelta(minutes=1)) == 1


class FakeFiles:
    """A bot with one file, or with the given errors."""

    def __init__(self, asked: TelegramError | int, loaded: TelegramError | bytes = b"note") -> None:
        self._asked, self._loaded = asked, loaded

    async def get_file(self, _file: str) -> Any:
        """Return where the file is."""
        if isinstance(self._asked, TelegramError):
            raise self._asked
        return SimpleNamespace(file_size=self._asked, download_as_bytearray=self._load)

    async def _load(self) -> bytearray:
        if isinstance(self._loaded, TelegramError):
            raise self._loaded
        return bytearray(self._loaded)

    async def load(self) -> bytes:
        """Load the note."""
        return await downloads(cast(Bot, self))("file")


class TestDownload:
    async def test_loaded(self) -> None:
        """A note is downloaded into memory."""
        assert await FakeFiles(4).load() == b"note"

    @pytest.mark.parametrize(
        ("bot", "error"),
        [
            (FakeFiles(BadRequest("Wrong file_id or the file is temporarily unavailable")), NoteUnavailable),
            (FakeFiles(BadRequest("invalid file_id")), NoteGone),
            (FakeFiles(BadRequest("file is too big")), NoteGone),
            (FakeFiles(LARGEST_NOTE + 1), NoteGone),
            (FakeFiles(4, InvalidToken(f"Not Found {SECRET}")), NoteGone),
            (FakeFiles(4, BadRequest(f"{SECRET}")), NoteGone),
            (FakeFiles(NetworkError(f"/bot{SECRET}/getFile")), NoteUnavailable),
            (FakeFiles(TimedOut()), NoteUnavailable),
            (FakeFiles(RetryAfter(3)), NoteUnavailable),
            (FakeFiles(InvalidToken(SECRET)), NoteUnavailable),
            (FakeFiles(4, NetworkError(f"/file/bot{SECRET}/x")), NoteUnavailable),
        ],
    )
    async def test_refused(self, bot: FakeFiles, error: type[NoteError]) -> None:
        """Each failure says whether to try again, in one line without the token."""
        with pytest.raises(error) as raised:
            await bot.load()
        assert SECRET not in str(raised.value)
        assert "\n" not in str(raised.value)
        assert raised.value.__suppress_context__ or raised.value.__context__ is None


async def test_how_to_record(tmp_path: Path) -> None:
    """The picture of how to record is shipped, small, and has the size of the drawing."""
    made = await by_prefix({SHIPPED: files_in(PICTURES)}, files_in(tmp_path))(ROUND_VIDEO)
    assert made is not None
    assert len(made[1]) < 30_000
    with Image.open(io.BytesIO(made[1])) as shipped:
        assert shipped.size == draw().size
