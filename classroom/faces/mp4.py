"""Reads the H.264 track of an MP4 file, within bounds.

Written for this program because the demuxers of FFmpeg do what hostile files ask for: they open other files and
addresses, and decode before the size is known. Edit lists, references to other files, sound and covers are ignored.
"""

import struct
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from classroom.faces.h264 import BadStream

MOST_SAMPLES = 4000  # a minute at 60 pictures a second, with a margin
LONGEST = 90.0  # seconds; Telegram's apps record one minute
_MOST_BOXES, _MOST_TRACKS = 5000, 20
_TURNS = {(0, 1, -1, 0): 1, (-1, 0, 0, -1): 2, (0, -1, 1, 0): 3}  # signs of a display matrix: quarter turns clockwise

Boxes = dict[bytes, list[memoryview]]
Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Track:
    """A video track: parameter sets, samples in the order of decoding with times in milliseconds, quarter turns."""

    width: int
    height: int
    parameters: list[bytes]
    length_size: int  # bytes of the length before each unit
    samples: list[memoryview]
    decoded_at: Numbers
    shown_at: Numbers
    turns: int


def read(note: bytes) -> Track:
    """Return the first H.264 track. Raises BadStream."""
    try:
        top = _boxes(memoryview(note))
        if b"ftyp" not in top:
            raise BadStream("not an MP4 file")
        moov = _boxes(top[b"moov"][0])
        if b"mvex" in moov:
            raise BadStream("a fragmented MP4 file")
        for trak in moov[b"trak"][:_MOST_TRACKS]:
            track = _boxes(trak)
            mdia = _boxes(track[b"mdia"][0])
            if bytes(mdia[b"hdlr"][0][8:12]) != b"vide":
                continue
            tables = _boxes(_boxes(mdia[b"minf"][0])[b"stbl"][0])
            if bytes(tables[b"stsd"][0][12:16]) in (b"avc1", b"avc3"):
                return _track(note, track[b"tkhd"][0], mdia[b"mdhd"][0], tables)
    except (struct.error, IndexError, ValueError) as error:
        raise BadStream(f"a damaged MP4 file ({type(error).__name__})") from error
    raise BadStream("no H.264 track")


def _boxes(content: memoryview) -> Boxes:
    found: Boxes = defaultdict(list)
    at = 0
    for _ in range(_MOST_BOXES):
        if at + 8 > len(content):
            return found
        length, name = struct.unpack_from(">I4s", content, at)
        header = 8
        if length == 1:
            (length,), header = struct.unpack_from(">Q", content, at + 8), 16
        length = length or len(content) - at
        if not header <= length <= len(content) - at:
            raise BadStream(f"a damaged MP4 file (box {name!r})")
        found[name].append(content[at + header : at + length])
        at += length
    raise BadStream("too many boxes")


def _track(note: bytes, tkhd: memoryview, mdhd: memoryview, tables: Boxes) -> Track:
    stsd = tables[b"stsd"][0]
    if struct.unpack_from(">I", stsd, 4) != (1,):
        raise BadStream("several descriptions of one track")
    width, height = struct.unpack_from(">HH", stsd, 40)
    length_size, parameters = _parameters(_boxes(stsd[94:])[b"avcC"][0])
    sizes = _sizes(tables[b"stsz"][0])
    offsets = _offsets(tables, sizes)
    if sizes.min() < 0 or offsets.min() < 0 or (offsets + sizes).max() > len(note) or sizes.sum() > len(note):
        raise BadStream("samples outside of the file")
    ticks = struct.unpack_from(">I", mdhd, 20 if mdhd[0] else 12)[0] or 1
    steps = _runs(tables[b"stts"][0], len(sizes))
    decoded = np.cumsum(steps) - steps
    shown = decoded + (_runs(tables[b"ctts"][0], len(sizes), ">i4") if b"ctts" in tables else 0)
    shown -= shown.min()
    if max(decoded.max(), shown.max()) > LONGEST * ticks:
        raise BadStream(f"longer than {LONGEST:.0f} s")
    matrix = struct.unpack_from(">ii4xii", tkhd, 52 if tkhd[0] else 40)
    whole = memoryview(note)
    return Track(
        width,
        height,
        parameters,
        length_size,
        [whole[start : start + size] for start, size in zip(offsets.tolist(), sizes.tolist(), strict=True)],
        1000 * decoded // ticks,
        1000 * shown // ticks,
        _TURNS.get(tuple(int(np.sign(each)) for each in matrix), 0),  # type: ignore[arg-type]
    )


def _parameters(avcc: memoryview) -> tuple[int, list[bytes]]:
    """Return the size of the units' lengths, and the parameter sets."""
    found: list[bytes] = []
    at, left = 6, avcc[5] & 31
    for _ in range(2):
        for _ in range(left):
            (length,) = struct.unpack_from(">H", avcc, at)
            found.append(bytes(avcc[at + 2 : at + 2 + length]))
            at += 2 + length
        left, at = (avcc[at] if at < len(avcc) else 0), at + 1
    return (avcc[4] & 3) + 1, found


def _numbers(box: memoryview, columns: int, kind: str = ">u4", start: int = 4) -> Numbers:
    """Return a table: its number of rows at ``start``, then the rows."""
    (rows,) = struct.unpack_from(">I", box, start)
    found = np.frombuffer(box, dtype=kind, count=rows * columns, offset=start + 4)
    return found.astype(np.int64).reshape(rows, columns)


def _sizes(box: memoryview) -> Numbers:
    same, count = struct.unpack_from(">II", box, 4)
    if not 0 < count <= MOST_SAMPLES:
        raise BadStream(f"{count} pictures")
    return np.full(count, same, dtype=np.int64) if same else _numbers(box, 1, start=8)[:, 0]


def _runs(box: memoryview, count: int, kind: str = ">u4") -> Numbers:
    """Return a value for each sample, from rows of (how many samples, value)."""
    many, values = _numbers(box, 2)[:, 0], _numbers(box, 2, kind)[:, 1]
    if many.min() < 0 or many.sum() != count:
        raise BadStream("times of other pictures")
    return np.repeat(values, many)


def _offsets(tables: Boxes, sizes: Numbers) -> Numbers:
    """Return where each sample begins in the file."""
    is_long = b"co64" in tables
    chunks = _numbers(tables[b"co64"][0], 1, ">i8") if is_long else _numbers(tables[b"stco"][0], 1)
    runs = _numbers(tables[b"stsc"][0], 3)
    lasting = np.diff(np.append(runs[:, 0], len(chunks) + 1))
    if runs[0, 0] != 1 or lasting.min() < 1 or (lasting * runs[:, 1]).sum() != len(sizes) or len(chunks) > len(sizes):
        raise BadStream("chunks of other pictures")
    chunk = np.repeat(np.arange(len(chunks)), np.repeat(runs[:, 1], lasting))
    before = np.cumsum(sizes) - sizes
    return np.asarray(chunks[chunk, 0] + before - before[np.searchsorted(chunk, chunk)], dtype=np.int64)
