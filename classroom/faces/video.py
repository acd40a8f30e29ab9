"""Decodes the pictures of a video note from memory, in a worker process.

Notes are hostile: a modified client can send any file as one. Container and stream headers are read by our own code,
which refuses what Telegram's apps do not record. The decoder then gets a new stream that contains only the checked
units, so nothing is decoded whose size was not known before, and FFmpeg never parses the file that was sent.
"""

import io
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from classroom.faces import h264, mp4

Picture = npt.NDArray[np.uint8]

PER_SECOND = 8  # pictures: a head turns within about half a second
MOST = 160  # pictures of one note
_LARGEST_SIDE = 1280  # pixels; Telegram's notes have at most 640
_PADDING = 32  # pixels, of each side: pictures are coded in blocks of 16
_SQUARE = 1.02  # largest ratio of the sides
# What is decoded of one note; the rest is ignored. Telegram's apps record 384 x 384 pixels with 1 Mbit a second:
_MOST_PIXELS = 300_000_000  # more than a minute of that, at 30 pictures a second
_MOST_BYTES = 10_000_000  # likewise
_MOST_UNITS = 20_000  # several slices a picture
_BASE = 1000  # milliseconds added to all times: OpenCV takes a time of 0 for unknown
_OPTIONS = "input_format;flv|format_whitelist;flv|codec_whitelist;h264|protocol_whitelist;|probesize;65536"
_TURNS = (None, cv2.ROTATE_90_CLOCKWISE, cv2.ROTATE_180, cv2.ROTATE_90_COUNTERCLOCKWISE)


class NoVideo(Exception):
    """The bytes are not a readable video note (permanent)."""


@dataclass(frozen=True)
class Frame:
    """A picture in BGR, and the seconds from the start."""

    at: float
    picture: Picture


def frames(note: bytes) -> Iterator[Frame]:
    """Yield about ``PER_SECOND`` pictures a second, at most ``MOST``. May raise NoVideo after some pictures."""
    try:
        track = _shortened(mp4.read(note))
        wanted = _wanted(sorted(track.shown_at.tolist()))
        stream = _checked(track, wanted)
    except h264.BadStream as error:
        raise NoVideo(str(error)) from error
    os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = _OPTIONS
    try:
        capture = cv2.VideoCapture(io.BytesIO(stream), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])  # type: ignore[call-overload]
    except cv2.error as error:
        raise NoVideo(f"not opened ({error.code})") from error
    # Not released explicitly: OpenCV 5 would release the reader without holding the GIL, and crash.
    found, start = 0, None
    while found < MOST and capture.grab():
        at = round(capture.get(cv2.CAP_PROP_POS_MSEC))
        start = at if start is None else start  # OpenCV counts from a time of its own
        at -= start
        if at not in wanted:
            continue
        read, given = capture.retrieve()
        if not read or given is None or given.shape[:2] != (track.height, track.width):
            raise NoVideo("a picture can't be decoded")
        turn = _TURNS[track.turns]
        picture = np.asarray(given if turn is None else cv2.rotate(given, turn), dtype=np.uint8)
        yield Frame(at / 1000, picture)
        found += 1
    if not found:
        raise NoVideo("no pictures")


def _shortened(track: mp4.Track) -> mp4.Track:
    """Return the part of a track that is decoded."""
    read = np.cumsum([len(sample) for sample in track.samples])
    pictures = _MOST_PIXELS // max(1, track.width * track.height)
    most = max(1, min(pictures, int(np.searchsorted(read, _MOST_BYTES))))
    return replace(
        track, samples=track.samples[:most], decoded_at=track.decoded_at[:most], shown_at=track.shown_at[:most]
    )


def _wanted(shown_at: list[int]) -> set[int]:
    """Return the times of the pictures to look at, in milliseconds."""
    gap = max(1000 // PER_SECOND, shown_at[-1] // MOST)
    chosen: list[int] = []
    for at in shown_at:
        if not chosen or at >= chosen[-1] + gap:
            chosen.append(at)
    return set(chosen)


def _checked(track: mp4.Track, wanted: set[int]) -> bytes:
    """Return the track as a stream (FLV) that holds only checked units. Raises BadStream."""
    sets = [unit for unit in track.parameters if unit]
    known = {unit: h264.size(unit) for unit in sets if h264.kind(unit) == h264.SPS}
    sps, pps = list(known), [unit for unit in sets if h264.kind(unit) == h264.PPS]
    if not sps or not pps or any(b"\0\0\1" in unit for unit in pps):
        raise h264.BadStream("no parameter sets")
    width, height, pixels = size = known[sps[0]]
    sides = f"{width} x {height} pixels"
    if not 0 < min(width, height) <= max(width, height) <= _LARGEST_SIDE:
        raise h264.BadStream(sides)
    if pixels > (width + _PADDING) * (height + _PADDING):
        raise h264.BadStream(f"{sides}, cut out of {pixels} pixels")
    if max(width, height) > _SQUARE * min(width, height):
        raise h264.BadStream(f"not square: {sides}")
    if (track.width, track.height) != (width, height):
        raise h264.BadStream(f"{sides}, announced as {track.width} x {track.height}")
    parts = [b"FLV\1\1\0\0\0\x09\0\0\0\0", _tag(0, b"\x17\0\0\0\0" + _header(sps, pps))]
    count, late = 0, int((track.decoded_at - track.shown_at).max())  # nothing may be shown before it is decoded
    for sample, decoded, shown in zip(track.samples, track.decoded_at.tolist(), track.shown_at.tolist(), strict=True):
        kept = []
        is_needed = is_key = False
        for unit in h264.units(sample, track.length_size):
            count += 1
            kind = h264.kind(unit)
            if count > _MOST_UNITS:
                raise h264.BadStream("too many units")
            if kind == h264.SPS and unit not in known:
                known[unit] = h264.size(unit)
            if kind in (h264.SLICE, h264.KEY_SLICE, h264.SPS, h264.PPS):
                kept.append(unit)
                is_needed |= h264.is_reference(unit)
                is_key |= kind == h264.KEY_SLICE
        if any(each != size for each in known.values()):
            raise h264.BadStream("the size changes")
        if kept and (is_needed or shown in wanted):
            head = struct.pack(">BBi", 0x17 if is_key else 0x27, 1, shown + late - decoded)
            content = b"".join(struct.pack(">I", len(unit)) + unit for unit in kept)
            parts.append(_tag(decoded + _BASE, head[:2] + head[3:] + content))
    return b"".join(parts)


def _header(sps: list[bytes], pps: list[bytes]) -> bytes:
    """Return the parameter sets as a decoder's configuration (avcC)."""
    first, second = (b"".join(struct.pack(">H", len(unit)) + unit for unit in each[:31]) for each in (sps, pps))
    counts = bytes([0xE0 | min(len(sps), 31)]), bytes([min(len(pps), 31)])
    return b"\1" + sps[0][1:4] + b"\xff" + counts[0] + first + counts[1] + second


def _tag(at: int, content: bytes) -> bytes:
    time = struct.pack(">I", at)
    size = struct.pack(">I", len(content))[1:]
    return b"\x09" + size + time[1:] + time[:1] + b"\0\0\0" + content + struct.pack(">I", 11 + len(content))
