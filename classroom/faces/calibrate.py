"""Measures the face distances of your own photographs: `python -m classroom.faces.calibrate FOLDER [--plot FILE]`

FOLDER has a folder for each person with two or more pictures (JPEG or PNG). Every pair of one person is *genuine*,
every pair of two people an *impostor*. It prints both distributions of distances, and for values of
FACE_MATCH_THRESHOLD how many genuine pairs are missed (not accepted at once: up to 18 points below, the teacher
decides) and how many impostors are accepted; it draws both distributions. No picture is stored or sent.
"""

import argparse
import itertools
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from classroom.domain.face_policy import AT_SAME_PERSON, SAME_PERSON, percent
from classroom.faces import PhotoUnusable, examining
from classroom.faces.examining import Descriptor, apart

RATES_AT = 70.0  # percent: FACE_MATCH_THRESHOLD's default
THRESHOLDS = range(50, 96, 5)
MOST_IMPOSTORS = 200_000  # pairs: a folder of 1,000 people has half a million
_SUFFIXES = {".jpg", ".jpeg", ".png"}
_BARS, _WIDE, _HIGH, _EDGE = 60, 900, 420, 50
_LONGEST = 1.2  # the distance at the plot's right edge
_GENUINE, _IMPOSTOR = (46, 125, 50), (198, 40, 40)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure a folder; return 1 if it has no pairs to compare."""
    parser = argparse.ArgumentParser(prog="python -m classroom.faces.calibrate", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--plot", type=Path, default=Path("faces.png"), help="the file for the drawing")
    given = parser.parse_args(arguments)
    if not given.folder.is_dir():
        print(f"{given.folder} is not a folder", file=sys.stderr)
        return 1
    examining.prepare()
    genuine, impostor = distances(descriptors(given.folder))
    if not genuine or not impostor:
        print("at least two people are needed, one of them with two pictures", file=sys.stderr)
        return 1
    print(table(genuine, impostor))
    plot(genuine, impostor).save(given.plot)
    print(f"drawn: {given.plot}")
    return 0


def descriptors(folder: Path) -> dict[str, list[Descriptor]]:
    """Return the descriptors of each person's pictures; unusable pictures are reported and skipped."""
    found: dict[str, list[Descriptor]] = {}
    for file in sorted(folder.glob("*/*")):
        if file.suffix.lower() not in _SUFFIXES:
            continue
        try:
            template = examining.template_of(file.read_bytes())
        except PhotoUnusable as error:
            print(f"skipped: {file.parent.name}/{file.name}: {error}", file=sys.stderr)
            continue
        found.setdefault(file.parent.name, []).append(np.frombuffer(template, dtype=np.float64))
    return found


def distances(people: dict[str, list[Descriptor]]) -> tuple[list[float], list[float]]:
    """Return the distances of genuine pairs and of up to ``MOST_IMPOSTORS`` impostor pairs, evenly sampled."""
    genuine = [apart(*pair) for pictures in people.values() for pair in itertools.combinations(pictures, 2)]
    pairs = [
        (one, other)
        for first, second in itertools.combinations(people.values(), 2)
        for one in first
        for other in second
    ]
    step = max(1, len(pairs) // MOST_IMPOSTORS)
    return genuine, [apart(*pair) for pair in pairs[::step]]


def rates(genuine: Sequence[float], impostor: Sequence[float], threshold: float) -> tuple[float, float]:
    """Return the shares of genuine pairs missed and impostors accepted at a threshold in percent."""
    missed = sum(percent(each) < threshold for each in genuine) / max(len(genuine), 1)
    accepted = sum(percent(each) >= threshold for each in impostor) / max(len(impostor), 1)
    return missed, accepted


def table(genuine: Sequence[float], impostor: Sequence[float]) -> str:
    lines = []
    for name, values in (("genuine", genuine), ("impostor", impostor)):
        at = np.percentile(values, [0, 5, 50, 95, 100])
        lines.append(f"{name}: {len(values)} pairs, distance least {at[0]:.3f}, 5 % {at[1]:.3f}, median {at[2]:.3f},"
                     f" 95 % {at[3]:.3f}, most {at[4]:.3f}")  # fmt: skip
    lines.append("threshold  genuine missed  impostors accepted")
    for threshold in THRESHOLDS:
        missed, accepted = rates(genuine, impostor, threshold)
        lines.append(f"{threshold:7d} %  {100 * missed:13.2f} %  {100 * accepted:18.3f} %")
    return "\n".join(lines)


def plot(genuine: Sequence[float], impostor: Sequence[float]) -> Image.Image:
    """Draw both distributions as shares of their pairs, and the default threshold."""
    picture = Image.new("RGB", (_WIDE, _HIGH), "white")
    draw = ImageDraw.Draw(picture)
    bottom, inside = _HIGH - _EDGE, _WIDE - 2 * _EDGE
    edges = np.linspace(0, _LONGEST, _BARS + 1)
    shares = [np.histogram(np.clip(values, 0, _LONGEST), edges)[0] / len(values) for values in (genuine, impostor)]
    top = max(float(each.max()) for each in shares)
    for share, colour, shift in zip(shares, (_GENUINE, _IMPOSTOR), (0, 1), strict=True):
        for at, value in enumerate(share):
            left = _EDGE + inside * at / _BARS + shift * inside / _BARS / 2
            high = (bottom - _EDGE) * float(value) / top
            if value:
                draw.rectangle((left, bottom - high, left + inside / _BARS / 2 - 1, bottom), fill=colour)
    draw.line((_EDGE, bottom, _WIDE - _EDGE, bottom), fill="black")
    for at in range(13):
        x = _EDGE + inside * at / 12
        draw.line((x, bottom, x, bottom + 5), fill="black")
        draw.text((x - 8, bottom + 8), f"{at / 10:.1f}", fill="black")
    threshold = _EDGE + inside * SAME_PERSON / _LONGEST
    draw.line((threshold, _EDGE, threshold, bottom), fill="gray")
    draw.text((threshold + 4, _EDGE), f"{SAME_PERSON} = {AT_SAME_PERSON:.0f} %", fill="gray")
    draw.text((_EDGE, 15), f"genuine, {len(genuine)} pairs", fill=_GENUINE)
    draw.text((_EDGE + 200, 15), f"impostor, {len(impostor)} pairs", fill=_IMPOSTOR)
    draw.text((_WIDE - 3 * _EDGE, _HIGH - 18), "distance", fill="black")
    return picture


if __name__ == "__main__":
    sys.exit(main())
