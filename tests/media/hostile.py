"""Writes video files box by box, so that each field can hold what a hostile file would have."""

import io
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import av
import numpy as np

from classroom.faces.h264 import units
from sandbox.video_notes import Picture, _encoded, encoded

UNITY = (0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
TURNED = (0, 0x10000, 0, -0x10000, 0, 0, 0, 0, 0x40000000)  # shown a quarter turn clockwise


def pictures(side: int, count: int, seed: int = 1, noise: int = 20) -> list[Picture]:
    """Return different pictures, brighter from left to right."""
    chance = np.random.default_rng(seed)
    ramp = np.tile(np.linspace(20, 200, side, dtype=np.float32)[None, :, None], (side, 1, 3))
    return [
        np.clip(ramp + chance.integers(0, noise + 1, (side, side, 3)) + at, 0, 255).astype(np.uint8)
        for at in range(count)
    ]


@dataclass
class Encoded:
    """A stream as its encoder made it: the avcC box's content, the samples, and their times in 1/15360 s."""

    avcc: bytes
    samples: list[bytes]
    decoded: list[int]
    shown: list[int]

    @classmethod
    def of(cls, note: bytes) -> "Encoded":
        """Take a note apart."""
        with av.open(io.BytesIO(note), "r") as container:
            stream = container.streams.video[0]
            packets = [packet for packet in container.demux(stream) if packet.size]
            return cls(
                bytes(stream.codec_context.extradata or b""),
                [bytes(packet) for packet in packets],
                [int(packet.dts or 0) for packet in packets],
                [int(packet.pts or 0) for packet in packets],
            )


def box(name: bytes, *parts: bytes) -> bytes:
    """Return a box."""
    content = b"".join(parts)
    return struct.pack(">I4s", 8 + len(content), name) + content


def full(name: bytes, *numbers: int) -> bytes:
    """Return a box of version 0 with 32-bit numbers."""
    return box(name, bytes(4), *(struct.pack(">I", number & 0xFFFFFFFF) for number in numbers))


@dataclass
class File:
    """A file with one video track. Fields that are None follow from the samples."""

    avcc: bytes
    samples: Sequence[bytes]
    side: int = 240
    ticks: int = 15360
    steps: Sequence[tuple[int, int]] | None = None  # (samples, ticks)
    offsets: Sequence[tuple[int, int]] | None = None  # of the times shown
    sizes: Sequence[int] | None = None
    chunks: Sequence[int] | None = None  # where the chunks begin
    matrix: tuple[int, ...] = UNITY
    codec: bytes = b"avc1"
    edits: bytes = b""
    reference: bytes = b""  # of dref
    tracks_before: bytes = b""
    extra: dict[str, Any] = field(default_factory=dict)

    def content(self) -> bytes:
        """Return the file."""
        start = box(b"ftyp", b"isom", bytes(4), b"isomavc1")
        data = box(b"mdat", *self.samples)
        return start + data + self._moov(len(start) + 8)

    def _moov(self, first: int) -> bytes:
        count = len(self.samples)
        steps = self.steps if self.steps is not None else [(count, 512)]
        sizes = self.sizes if self.sizes is not None else [len(each) for each in self.samples]
        chunks = self.chunks if self.chunks is not None else [first]
        entry = box(
            self.codec,
            bytes(6) + b"\0\1" + bytes(16) + struct.pack(">HH", self.side, self.side) + bytes(50),
            box(b"avcC", self.avcc),
        )
        tables = [
            box(b"stsd", bytes(4), struct.pack(">I", 1), entry),
            full(b"stts", len(steps), *(each for step in steps for each in step)),
            full(b"stsc", 1, 1, len(sizes) if len(chunks) == 1 else 1, 1),
            full(b"stsz", 0, len(sizes), *sizes),
            full(b"stco", len(chunks), *chunks),
        ]
        if self.offsets is not None:
            tables.append(full(b"ctts", len(self.offsets), *(each for step in self.offsets for each in step)))
        references = box(b"dinf", box(b"dref", bytes(4), struct.pack(">I", 1), self.reference or full(b"url ")))
        media = box(
            b"mdia",
            full(b"mdhd", 0, 0, self.ticks, 0, 0),
            box(b"hdlr", bytes(8), b"vide", bytes(13)),
            box(b"minf", references, box(b"stbl", *tables)),
        )
        head = full(b"tkhd", 0, 0, 1, 0, 0, 0, 0, 0, 0, *self.matrix, self.side << 16, self.side << 16)
        return box(b"moov", self.tracks_before, box(b"trak", head, self.edits, media))


def file_of(note: Encoded, **fields: Any) -> bytes:
    """Return a file of an encoded stream, with other fields where given."""
    return File(note.avcc, note.samples, **fields).content()


def growing_note(small: int = 240, large: int = 2048, *, is_raw: bool = False) -> bytes:
    """Return a note whose pictures are small at first, and large in mid-stream; as MP4, or without a container."""
    first = Encoded.of(encoded(pictures(small, 10)))
    then = Encoded.of(_encoded([np.zeros((large, large, 3), np.uint8)], 40, {"preset": "ultrafast"}))
    announced = [b"".join(_with_length(unit) for unit in parameter_sets(each.avcc)) for each in (first, then)]
    samples = [announced[0] + first.samples[0], *first.samples[1:], announced[1] + then.samples[0]]
    if is_raw:
        return b"".join(b"\0\0\0\1" + unit for each in samples for unit in units(memoryview(each), 4))
    return File(first.avcc, samples, side=small).content()


def _with_length(unit: bytes) -> bytes:
    return struct.pack(">I", len(unit)) + unit


def parameter_sets(avcc: bytes) -> list[bytes]:
    """Return the first SPS and PPS of an avcC box."""
    at, found = 6, []
    for _ in range(2):
        (length,) = struct.unpack_from(">H", avcc, at)
        found.append(avcc[at + 2 : at + 2 + length])
        at += 3 + length
    return found


def sps_of(blocks: int, right: int, bottom: int) -> bytes:
    """Return an SPS of the baseline profile for square pictures of so many blocks, cut at two sides."""

    def number(value: int) -> str:
        return f"{value + 1:b}".zfill(2 * (value + 1).bit_length() - 1)

    fields = (0, 0, 2, 1)  # its number, frame numbers, order, references
    bits = "".join(map(number, fields)) + "0" + 2 * number(blocks - 1) + "111"
    bits += "".join(number(each) for each in (0, right, 0, bottom)) + "01"
    content = int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")
    return b"\x67\x42\0\x1e" + content.replace(b"\0\0", b"\0\0\3")
