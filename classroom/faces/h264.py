"""Reads from H.264 what has to be known before anything is decoded: kinds of units, and the size of the pictures."""

from collections.abc import Iterator

SLICE, KEY_SLICE, SPS, PPS = 1, 5, 7, 8  # kinds of units; no others are decoded
_PLAIN, _HIGH = (66, 77), 100  # profiles: baseline and main; high. Telegram's apps record in these
_LONGEST_SPS = 512  # bytes
_START_CODES = (b"\0\0\0", b"\0\0\1", b"\0\0\2")  # not allowed in a unit: a decoder would find another unit there


class BadStream(Exception):
    """The stream is damaged, or of a kind that Telegram's apps don't record."""


def kind(unit: bytes) -> int:
    return unit[0] & 31


def is_reference(unit: bytes) -> bool:
    """Say whether other pictures may depend on this unit's."""
    return unit[0] & 96 != 0


def units(sample: memoryview, length_size: int) -> Iterator[bytes]:
    """Yield the units of a sample, each preceded by its length. Raises BadStream."""
    at = 0
    while at < len(sample):
        start = at + length_size
        at = start + int.from_bytes(sample[at:start], "big")
        unit = bytes(sample[start:at])
        if len(unit) < 2 or at > len(sample) or _START_CODES[1] in unit:
            raise BadStream("a damaged unit")
        yield unit


def size(sps: bytes) -> tuple[int, int, int]:
    """Return the width and height of the pictures, and the pixels that are decoded for each. Raises BadStream."""
    if not 8 <= len(sps) <= _LONGEST_SPS or any(code in sps.rstrip(b"\0") for code in _START_CODES):
        raise BadStream("a damaged SPS")
    bits = _Bits(sps[1:].replace(b"\0\0\3", b"\0\0"))
    profile = bits.take(8)
    bits.take(16)
    bits.number()
    if profile == _HIGH:
        if (bits.number(), bits.number(), bits.number()) != (1, 0, 0):
            raise BadStream("not 4:2:0 with 8 bits")
        bits.take(1)
        if bits.take(1):
            for at in range(8):
                if bits.take(1):
                    bits.skip_scaling_list(16 if at < 6 else 64)
    elif profile not in _PLAIN:
        raise BadStream(f"profile {profile}")
    bits.number()
    order = bits.number()
    if order == 0:
        bits.number()
    elif order == 1:
        bits.take(1)
        for _ in range(2):
            bits.number()
        for _ in range(min(bits.number(), 255)):
            bits.number()
    bits.number()
    bits.take(1)
    width, height = 16 * (bits.number() + 1), 16 * (bits.number() + 1)
    if not bits.take(1):
        raise BadStream("interlaced")
    bits.take(1)
    left, right, top, bottom = (bits.number() for _ in range(4)) if bits.take(1) else (0, 0, 0, 0)
    return width - 2 * (left + right), height - 2 * (top + bottom), width * height


class _Bits:
    def __init__(self, content: bytes) -> None:
        self._bits = bin(int.from_bytes(b"\1" + content, "big"))[3:]
        self._at = 0

    def take(self, count: int) -> int:
        self._at += count
        if self._at > len(self._bits):
            raise BadStream("an SPS that is cut off")
        return int(self._bits[self._at - count : self._at], 2)

    def number(self) -> int:
        """Return the next number in Exp-Golomb code."""
        zeros = self._bits.find("1", self._at) - self._at
        if not 0 <= zeros <= 31:
            raise BadStream("a damaged SPS")
        self._at += zeros
        return self.take(zeros + 1) - 1

    def skip_scaling_list(self, count: int) -> None:
        last = following = 8
        for _ in range(count):
            if following:
                code = self.number()
                following = (last + (code + 1 >> 1) * (1 if code % 2 else -1)) % 256
            last = following or last
