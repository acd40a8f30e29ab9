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
    """Return the distances of the genuine and of the impostor pairs."""
    genuine = [pair for pictures in people.values() for pair in itertools.combinations(pictures, 2)]
    two_people = itertools.combinations(people.values(), 2)
    impostor = [pair for first, second in two_people for pair in itertools.product(first, second)]
    return [apart(*pair) for pair in genuine], [apart(*pair) for pair in impostor]


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
    """Draw both distributions, each as high as the picture, and the default threshold."""
    picture = Image.new("RGB", (_WIDE, _HIGH), "white")
    draw = ImageDraw.Draw(picture)
    bottom, scale = _HIGH - _EDGE, (_WIDE - 2 * _EDGE) / _LONGEST  # pixels for a distance of 1
    width = _LONGEST / _BARS / 2
    shown = (("genuine", genuine, _GENUINE, 0), ("impostor", impostor, _IMPOSTOR, 1))
    for name, values, colour, number in shown:
        draw.text((_EDGE + 200 * number, 15), f"{name}, {len(values)} pairs", fill=colour)
        counts, edges = np.histogram(np.clip(values, 0, _LONGEST), _BARS, (0, _LONGEST))
        for count, edge in zip(counts, edges[:-1], strict=True):
            left, high = _EDGE + scale * (edge + number * width), (bottom - _EDGE) * count / counts.max()
            if count:
                draw.rectangle((left, bottom - high, left + scale * width - 1, bottom), fill=colour)
    draw.line((_EDGE, bottom, _WIDE - _EDGE, bottom), fill="black")
    for tenth in range(13):
        x = _EDGE + scale * tenth / 10
        draw.line((x, bottom, x, bottom + 5), fill="black")
        draw.text((x - 8, bottom + 8), f"{tenth / 10:.1f}", fill="black")
    threshold = _EDGE + scale * SAME_PERSON
    draw.line((threshold, _EDGE, threshold, bottom), fill="gray")
    draw.text((threshold + 4, _EDGE), f"{SAME_PERSON} = {AT_SAME_PERSON:.0f} %", fill="gray")
    draw.text((_WIDE - 3 * _EDGE, _HIGH - 18), "distance", fill="black")
    return picture


if __name__ == "__main__":
    sys.exit(main())
