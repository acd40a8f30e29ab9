"""Measures the face distances of your own photographs: `python -m classroom.faces.calibrate FOLDER`

FOLDER has a folder for each person with two or more pictures (JPEG or PNG), or folders of groups (one sex and region
each) with these in them. Every pair of one person is *genuine*, every pair of two people of one group an *impostor*.
For values of FACE_MATCH_THRESHOLD it prints how many genuine pairs are missed (the teacher decides) and how many
impostors are accepted, alone and compared with the whole group, and suggests a value.

Behind each rate stand the 95 % interval and the number of independent pairs, in which nobody appears twice, from which
it is computed: 3,000 of them without a match are needed to show 1 in 1,000. No picture is stored or sent.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from classroom.domain.face_policy import AT_SAME_PERSON, SAME_PERSON, distance_of
from classroom.faces import PhotoUnusable, examining, rates
from classroom.faces.descriptors import Descriptor, unpacked
from classroom.faces.rates import Pairs, Rate

THRESHOLDS = range(50, 96, 5)
WANTED = 0.001  # share of impostors accepted, at most
_SUFFIXES = {".jpg", ".jpeg", ".png"}

Groups = Mapping[str, Mapping[str, Sequence[Descriptor]]]  # descriptors by group and person


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure a folder; return 1 if it has no pairs to compare."""
    parser = argparse.ArgumentParser(prog="python -m classroom.faces.calibrate", description=__doc__)
    parser.add_argument("folder", type=Path)
    given = parser.parse_args(arguments)
    if not given.folder.is_dir():
        print(f"{given.folder} is not a folder", file=sys.stderr)
        return 1
    examining.prepare()
    groups = descriptions(given.folder)
    genuine, impostor = rates.genuine(groups.values()), rates.impostor(groups.values())
    if not genuine.every.size or not impostor.every.size:
        print("at least two people are needed in a group, one of them with two pictures", file=sys.stderr)
        return 1
    print(table(groups, genuine, impostor))
    return 0


def descriptions(folder: Path) -> Groups:
    """Return the descriptors of each person's pictures; unusable pictures are reported and skipped."""
    found: dict[str, dict[str, list[Descriptor]]] = {}
    for file in sorted((*folder.glob("*/*"), *folder.glob("*/*/*"))):
        if file.suffix.lower() not in _SUFFIXES:
            continue
        try:
            template = examining.template_of(file.read_bytes())
        except PhotoUnusable as error:
            print(f"skipped: {file.relative_to(folder)}: {error}", file=sys.stderr)
            continue
        group = file.parent.parent.relative_to(folder).as_posix()
        found.setdefault(group, {}).setdefault(file.parent.name, []).append(unpacked(template))
    return found


def table(groups: Groups, genuine: Pairs, impostor: Pairs) -> str:
    """Return both distributions, the rates at each threshold and of each group, and the threshold to use."""
    people = [pictures for group in groups.values() for pictures in group.values()]
    lines = [f"{sum(map(len, people))} pictures of {len(people)} people, groups: {len(groups)}"]
    for name, pairs in (("genuine", genuine.every), ("impostor", impostor.every)):
        at = np.percentile(pairs, [0, 5, 50, 95, 100])
        lines.append(f"{name}: {pairs.size} pairs, distance least {at[0]:.3f}, 5 % {at[1]:.3f}, median {at[2]:.3f},"
                     f" 95 % {at[3]:.3f}, most {at[4]:.3f}")  # fmt: skip
    lines.append(_row("threshold", "distance", "genuine missed", "impostors accepted", "compared with the group"))
    for threshold in THRESHOLDS:
        distance = distance_of(threshold)
        missed, accepted = rates.in_class(groups.values(), distance)
        lines.append(_row(f"{threshold} %", f"{distance:.3f}", _text(genuine.missed(distance)),
                          _text(impostor.accepted(distance)), f"{_share(missed)}, {_share(accepted)}"))  # fmt: skip
    distance = float(np.quantile(impostor.every, WANTED))
    words = f"where {100 * WANTED:.1f} % of the impostors are accepted, at {distance:.3f}"
    lines.append(f"{words}: missed {_text(genuine.missed(distance))}")
    if len(groups) > 1:
        lines += _by_group(groups)
    return "\n".join([*lines, suggestion(impostor)])


def suggestion(impostor: Pairs) -> str:
    """Return the lowest threshold that accepts at most ``WANTED`` of the impostors, and whether that is proven."""
    for threshold in range(1, 101):
        every, independent = impostor.accepted(distance_of(threshold))
        if every.share <= WANTED:
            most = independent.interval[1]
            proven = "" if most <= WANTED else f"; not proven, it may be {100 * most:.2f} %"
            return f"suggested FACE_MATCH_THRESHOLD: {threshold} ({_share(every)} of impostors accepted{proven})"
    return f"no threshold accepts at most {100 * WANTED:.1f} % of the impostors"


def _by_group(groups: Groups) -> list[str]:
    lines = [f"at {AT_SAME_PERSON:.0f} %, by group"]
    for name, group in groups.items():
        missed, accepted = rates.genuine([group]).missed(SAME_PERSON), rates.impostor([group]).accepted(SAME_PERSON)
        lines.append(_row(name, f"{len(group)} people", _text(missed), _text(accepted), ""))
    return lines


def _row(*cells: str) -> str:
    return "  ".join(f"{cell:<{width}}" for cell, width in zip(cells, (24, 12, 32, 36, 0), strict=True)).rstrip()


def _text(rates_of: tuple[Rate, Rate]) -> str:
    """Return the rate of all pairs, and interval and number of the independent ones."""
    every, independent = rates_of
    low, high = (100 * each for each in independent.interval)
    return f"{_share(every)} ({low:.2f}-{high:.2f}; {independent.tried})"


def _share(rate: Rate) -> str:
    return f"{100 * rate.share:.3f} %"


if __name__ == "__main__":
    sys.exit(main())
