"""Video notes as files that anybody can make: what is read, and what is refused before a picture is decoded."""

import io
import math
import struct
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import numpy.typing as npt
import psutil
import pytest

from classroom.faces import h264
from classroom.faces.video import Frame, NoVideo, frames
from sandbox.video_notes import _encoded, encoded
from tests.media.hostile import TURNED, Encoded, box, file_of, full, growing_note, parameter_sets, pictures, sps_of

pytestmark = pytest.mark.unit


@cache
def note() -> bytes:
    """Return an ordinary note of 1.5 s, with B-frames."""
    return _encoded(pictures(240, 45), 26, {"preset": "medium"})


@cache
def stream() -> Encoded:
    """Return the note taken apart."""
    return Encoded.of(note())


@cache
def plain() -> Encoded:
    """Return a stream whose pictures are shown in the order of decoding."""
    return Encoded.of(_encoded(pictures(240, 45), 26, {"bf": "0"}))


def read(content: bytes) -> list[Frame]:
    """Return all pictures."""
    return list(frames(content))


def as_shown(content: bytes) -> dict[int, npt.NDArray[Any]]:
    """Return all pictures by their time in milliseconds, decoded by another library."""
    with av.open(io.BytesIO(content), "r") as container:
        return {
            math.floor(1000 * (each.time or 0)): each.to_ndarray(format="bgr24")
            for each in container.decode(container.streams.video[0])
        }


def test_ordinary_note() -> None:
    """About eight pictures a second come with their times, as another library decodes them."""
    found, expected = read(note()), as_shown(note())
    assert [each.at for each in found] == [0, 0.133, 0.266, 0.4, 0.533, 0.666, 0.8, 0.933, 1.066, 1.2, 1.333, 1.466]
    for each in found:
        assert np.abs(each.picture.astype(int) - expected[round(1000 * each.at)]).mean() < 3


def test_variable_rate() -> None:
    """Times are those of the file, not counted from an average rate."""
    steps = [(10, 15360), (10, 512), (25, 1536)]
    found = read(file_of(plain(), steps=steps))
    assert [each.at for each in found[:11]] == [*range(10), 10]
    assert found[-1].at == pytest.approx(10 + 0.333 + 2.4, abs=0.2)
    assert all(after.at - before.at >= 0.125 for before, after in pairwise(found))


def test_size_changes() -> None:
    """A note whose pictures grow in mid-stream is refused before its first picture."""
    with pytest.raises(NoVideo, match="the size changes"):
        next(frames(growing_note()))
    with pytest.raises(NoVideo, match=r"not an MP4|damaged"):
        next(frames(growing_note(is_raw=True)))


def test_other_size_than_announced() -> None:
    """The size in the stream counts, whatever the container announces."""
    large = Encoded.of(encoded([np.zeros((2048, 2048, 3), np.uint8)] * 2))
    with pytest.raises(NoVideo, match="2048 x 2048 pixels"):
        read(file_of(large))
    with pytest.raises(NoVideo, match="240 x 240 pixels, announced as 8192"):
        read(file_of(plain(), side=8192))


def _elsewhere(tmp_path: Path, format_name: str, codec: str = "libx264", **options: str) -> bytes:
    file = tmp_path / f"video.{format_name}"
    with av.open(str(file), "w", format=format_name, options=options) as container:
        track: Any = container.add_stream(codec, rate=30)
        track.width = track.height = 240
        track.pix_fmt = "yuv420p"
        for each in pictures(240, 12):
            container.mux(track.encode(av.VideoFrame.from_ndarray(each, format="bgr24")))
        container.mux(track.encode())
    return file.read_bytes()


@pytest.mark.parametrize("format_name", ["avi", "matroska", "mpegts", "flv", "h264", "nut"])
def test_other_containers(tmp_path: Path, format_name: str) -> None:
    """Only MP4 files are read."""
    with pytest.raises(NoVideo):
        read(_elsewhere(tmp_path, format_name))


@pytest.mark.parametrize(("codec", "why"), [("libx265", "no H.264"), ("mpeg4", "no H.264"), ("libvpx-vp9", "no H.264")])
def test_other_codecs(tmp_path: Path, codec: str, why: str) -> None:
    """Only H.264 is decoded, which all of Telegram's apps record."""
    with pytest.raises(NoVideo, match=why):
        read(_elsewhere(tmp_path, "mp4", codec))


def test_fragmented(tmp_path: Path) -> None:
    """A fragmented file is refused; no app of Telegram sends one."""
    with pytest.raises(NoVideo, match="fragmented"):
        read(_elsewhere(tmp_path, "mp4", movflags="frag_keyframe+empty_moov"))


def test_files_that_name_others(tmp_path: Path) -> None:
    """Play lists and session descriptions open no file and no port, also before a video, or inside one."""
    (tmp_path / "secret.mp4").write_bytes(note())
    lists = [
        f"ffconcat version 1.0\nfile '{tmp_path}/secret.mp4'\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 41234 RTP/AVP 96\n"
        "a=rtpmap:96 H264/90000\n",
        f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{tmp_path}/secret.mp4\n#EXT-X-ENDLIST\n",
        "#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/secret.mp4\n",
    ]
    before = psutil.Process().net_connections()
    for each in lists:
        with pytest.raises(NoVideo):
            read(each.encode())
        with pytest.raises(NoVideo):
            read(each.encode() + note())
        assert len(read(note() + box(b"free", each.encode()))) == 12
    assert psutil.Process().net_connections() == before


def test_data_elsewhere(tmp_path: Path) -> None:
    """A track that says its data is in another file is read from this one."""
    (tmp_path / "secret").write_bytes(note())
    elsewhere = box(b"url ", bytes(4), f"file://{tmp_path}/secret\0".encode())
    assert len(read(file_of(plain(), reference=elsewhere))) == 12


@pytest.mark.parametrize("start", [-1, 0, 512, 0x7FFFFFFF])
def test_edit_lists(start: int) -> None:
    """Edit lists have no effect, also those with huge durations."""
    edits = box(b"edts", full(b"elst", 3, 0xFFFFFFFF, -1, 0x10000, 0xFFFFFFFF, start, 0x10000, 1, start, 0x10000))
    assert [each.at for each in read(file_of(plain(), edits=edits))] == [each.at for each in read(file_of(plain()))]


def test_rotated() -> None:
    """A rotation that the file asks for is applied."""
    upright, turned = read(file_of(plain())), read(file_of(plain(), matrix=TURNED))
    assert np.array_equal(cv2.rotate(upright[3].picture, cv2.ROTATE_90_CLOCKWISE), turned[3].picture)
    assert len(upright) == len(turned)


def test_sound_and_cover() -> None:
    """Sound and a cover before the video track are ignored."""

    def other(handler: bytes, codec: bytes) -> bytes:
        tables = box(b"stbl", box(b"stsd", bytes(4), struct.pack(">I", 1), box(codec, bytes(78))))
        media = box(b"mdia", full(b"mdhd", 0, 0, 1000, 0), box(b"hdlr", bytes(8), handler), box(b"minf", tables))
        return box(b"trak", full(b"tkhd", *([0] * 20)), media)

    before = other(b"soun", b"mp4a") + other(b"vide", b"jpeg")
    assert len(read(file_of(plain(), tracks_before=before))) == 12


Change = Callable[[Encoded], bytes]
REFUSED: dict[str, tuple[Change, str]] = {
    "no pictures": (lambda own: file_of(Encoded(own.avcc, [], [], [])), "0 pictures"),
    "too many": (lambda own: file_of(own, sizes=[10] * 4001), "4001 pictures"),
    "a sample outside": (lambda own: file_of(own, chunks=[10_000_000]), "outside"),
    "a sample many times": (
        lambda own: file_of(own, sizes=[50_000] * 2000, chunks=[40] * 2000, steps=[(2000, 9)]),
        "outside",
    ),
    "an endless table": (lambda own: file_of(own, steps=[(0xFFFFFFFF, 1)]), "times of other pictures"),
    "years": (lambda own: file_of(own, steps=[(45, 0xFFFFFFFF)]), "longer than"),
    "shown years later": (lambda own: file_of(own, offsets=[(44, 0), (1, 0x7FFFFFFF)]), "longer than"),
    "a unit beyond its sample": (lambda own: file_of(Encoded(own.avcc, [b"\xff\xff\xff\xff\x65\x88"], [], [])), "unit"),
    "an empty unit": (lambda own: file_of(Encoded(own.avcc, [b"\0\0\0\0" * 9], [], [])), "unit"),
    "a unit in a unit": (
        lambda own: file_of(Encoded(own.avcc, [b"\0\0\0\x0c\x41\x9a\0\0\1\x67\x64\0\x0d\xac\xd9\x40"], [], [])),
        "unit",
    ),
    "many units": (lambda own: file_of(Encoded(own.avcc, [b"\0\0\0\2\x09\x10" * 30_000], [], [])), "too many units"),
    "no parameter sets": (lambda own: file_of(Encoded(b"\1\x64\0\x0d\xff\xe0\0", own.samples, [], [])), "parameter"),
    "cut off": (lambda own: file_of(own)[:-200], "damaged|no H.264"),
    "many boxes": (lambda own: box(b"ftyp") + box(b"free") * 6000, "too many boxes"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_hostile_fields(name: str) -> None:
    """Fields that would fill the memory, take time, or point outside of the file are refused."""
    change, why = REFUSED[name]
    with pytest.raises(NoVideo, match=why):
        read(change(plain()))


def test_thousand_a_second() -> None:
    """A note of 1000 pictures a second yields eight a second."""
    many = Encoded.of(encoded(pictures(64, 500)))
    found = read(file_of(many, side=64, ticks=1000, steps=[(500, 1)]))
    assert [each.at for each in found] == [0, 0.125, 0.25, 0.375]


def test_negative_times() -> None:
    """Times before the start of the file are moved to it."""
    found = read(file_of(plain(), offsets=[(45, -15360)]))
    assert [each.at for each in found] == [each.at for each in read(file_of(plain()))]


def test_other_kinds_of_h264() -> None:
    """Interlaced video and full colour, which no phone records, are refused."""
    with pytest.raises(NoVideo, match="interlaced"):
        read(_encoded(pictures(240, 5), 26, {"x264-params": "interlaced=1"}))
    made = stream()
    sps = parameter_sets(made.avcc)[0]
    other = made.avcc.replace(sps, sps[:1] + b"\xf4" + sps[2:])
    with pytest.raises(NoVideo, match="profile 244"):
        read(file_of(Encoded(other, made.samples, [], [])))


def test_cut_out() -> None:
    """Small pictures that are cut out of large ones are refused: the large ones would be decoded."""
    made = plain()
    own = parameter_sets(made.avcc)[0]
    large = sps_of(512, right=(8192 - 240) // 2, bottom=(8192 - 240) // 2)
    assert h264.size(large) == (240, 240, 8192 * 8192)
    avcc = made.avcc.replace(struct.pack(">H", len(own)) + own, struct.pack(">H", len(large)) + large)
    with pytest.raises(NoVideo, match="cut out of 67108864 pixels"):
        read(file_of(Encoded(avcc, made.samples, [], [])))


@pytest.mark.parametrize("side", [16, 96, 240, 384, 400, 480, 640, 1278])
@pytest.mark.parametrize("profile", ["baseline", "main", "high"])
def test_size(side: int, profile: str) -> None:
    """The size is read from the headers of each profile."""
    made = Encoded.of(_encoded([np.zeros((side, side, 3), np.uint8)] * 2, 30, {"profile": profile}))
    width, height, pixels = h264.size(parameter_sets(made.avcc)[0])
    assert (width, height) == (side, side)
    assert pixels == math.ceil(side / 16) ** 2 * 256


def test_scaling_lists() -> None:
    """Headers with scaling lists are read."""
    made = Encoded.of(_encoded(pictures(240, 2), 30, {"x264-params": "cqm=jvt:8x8dct=1"}))
    assert h264.size(parameter_sets(made.avcc)[0])[:2] == (240, 240)


def test_changed_bytes() -> None:
    """Whatever is changed in headers and tables, a note is read or refused."""
    chance, whole, outcomes = np.random.default_rng(5), note(), set()
    at_tables = whole.index(b"moov")
    for _ in range(120):
        changed = bytearray(whole)
        for at in chance.integers(at_tables, len(changed), chance.integers(1, 4)):
            changed[at] = int(chance.choice([0, 1, 127, 128, 255, int(chance.integers(0, 256))]))
        try:
            outcomes.add(len(read(bytes(changed))) > 0)
        except NoVideo:
            outcomes.add(False)
    assert outcomes == {True, False}
