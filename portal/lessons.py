"""A lesson as its card on the page shows it, and the key that identifies it across reloads."""

import hashlib
import re
from dataclasses import dataclass, field, replace
from datetime import date

# The hours of a lesson, as in `Л27 (15:00 - 16:00)` (captured from the live page, 2026) or `Л3 10:00-10:50`.
_CLOCK = r"\d{1,2}[:.]\d{2}"
_RANGE = rf"{_CLOCK}\s*(?:[-\u2010-\u2015\u2212]|до|to)\s*{_CLOCK}(?!\d)"
RANGE = re.compile(_RANGE)
_IN_BRACKETS = re.compile(rf"\(\s*{_RANGE}\s*\)")
# Lines are cut to so many characters: longer ones would not fit into a message.
LONGEST_LINE = 300

# A countdown is a run of amounts of time (`12 minutes`, `1 ч 5 мин`, `04:59`) and of the words beside them.
_HOURS = r"h|hrs?|hours?|ч|час|часа|часов|сағ|сағат"
_SECONDS = r"s|secs?|seconds?|с|сек|секунд[аыу]?"
_MINUTES = r"m|mins?|minutes?|мин|минут[аыу]?"
_AMOUNT = (
    rf"(?<![\w:.])(?!{_RANGE})(?P<number>\d+(?::\d{{2}}){{0,2}})"
    rf"(?:\s*(?:(?P<hours>{_HOURS})|(?P<seconds>{_SECONDS})|(?P<unit>{_MINUTES}))(?!\w)\.?|(?![\w:]))"
)
# Only the first of these words make a number without a unit a countdown: a course may be called "Closing 2".
_WORD = (
    r"(?<!\w)(?:(?P<word>остал\w*|ещё|еще|қалды|қалған\w*|time left|left|remain\w*)"
    r"|до (?:конца|закрытия|окончания)|закр\w*|заканчивается|истекает|через|меньше|менее|минут\w?|секунд\w?"
    r"|уақыт\w*|жабыл\w*|аяқтал\w*|дейін|кейін|минуттан|бір|аз"
    r"|closes|closing|ends|ending|expires|less than|until|in|an?|minutes?|seconds?)(?!\w)"
)
_BETWEEN = r"[\s:,.;~·|()\[\]\u2010-\u2015-]*"
_NAMES = re.compile(r"\?P<\w+>")
_TOKEN = re.compile(f"{_AMOUNT}|{_WORD}", re.IGNORECASE)
_RUN = re.compile(f"{_RANGE}|(?P<run>(?:(?:{_NAMES.sub('?:', f'{_AMOUNT}|{_WORD}')}){_BETWEEN})+)", re.IGNORECASE)


@dataclass(frozen=True)
class Lesson:
    """One lesson. ``minutes_left`` is the page's countdown, None without one; ``key`` identifies the lesson."""

    subject: str
    teacher: str
    time: str
    minutes_left: int | None = None
    key: str = field(default="", compare=False)

    @property
    def label(self) -> tuple[str, str, str]:
        """What the card shows of the lesson, without the countdown."""
        return self.subject, self.teacher, self.time

    def identified(self, portal: str, account: str, day: date, round: int = 1) -> "Lesson":
        """Return this lesson with its key for one student: 16 hexadecimal digits, short enough for a button.

        The key does not depend on the countdown or the language of the page, so that it is the same after a reload
        or in another language. It depends on the local date, because the same hours repeat every week, and on the
        round, because a lesson may open again on the same day (``lessons.rounds`` counts).
        """
        parts = (portal, account, day.isoformat(), *self.label, *([str(round)] if round > 1 else []))
        return replace(self, key=hashlib.blake2b("\x1f".join(parts).encode(), digest_size=8).hexdigest())

    def describe(self) -> str:
        """Return the lesson as lines of text, without the countdown."""
        return "\n".join(part for part in self.label if part)


@dataclass(frozen=True)
class Click:
    """The portal's answer to a click on a lesson's button; ``words`` are those of a window that it shows."""

    confirmed: bool
    words: str = ""


def parse_card(lines: list[str]) -> tuple[Lesson, list[str]]:
    """Parse a card's label: subject, teacher and hours, with a countdown anywhere in it, in three languages.

    Returns the lesson, and the pieces of text by which the label is found again: all but the countdown.
    """
    lines = [" ".join(line.split())[:LONGEST_LINE] for line in lines]
    at = next((i for pattern in (_IN_BRACKETS, RANGE) for i, line in enumerate(lines) if pattern.search(line)), None)
    cuts = [_cut(line, bare=at is None or i > at) for i, line in enumerate(lines)]
    if not any(pieces for pieces, _ in cuts):  # nothing but numbers: they are all that names the lesson
        cuts = [([line], left) for line, (_, left) in zip(lines, cuts, strict=True)]
    left = next((left for _, left in reversed(cuts) if left is not None), None)
    named = [i for i, (pieces, _) in enumerate(cuts) if pieces and i != at]
    before = [i for i in named if at is None or i < at]
    # Of what follows course, teacher and hours nothing names the lesson, and it may be a countdown in other words.
    own = before + [i for i in named if i not in before][: max(0, 2 - len(before))]
    names = [" ".join(cuts[i][0]) for i in own] + ["", ""]
    subject, teacher, time = names[0], names[1], ", ".join(filter(None, names[2:]))
    if at is not None:
        teacher, time = ", ".join(filter(None, names[1:])), " ".join(cuts[at][0])
    own += [at] if at is not None else []
    return Lesson(subject, teacher, time, left), [piece for i in sorted(own) for piece in cuts[i][0]]


def _cut(line: str, bare: bool) -> tuple[list[str], int | None]:
    """Cut the countdown out of a line: the pieces beside it, and its minutes.

    A number without a word or unit beside it is a countdown only where ``bare`` says so, and if it is the whole line.
    """
    pieces, minutes, at = list[str](), None, 0
    for run in _RUN.finditer(line):
        if run["run"] is None:
            continue  # the lesson's hours
        tokens = [token.groupdict() for token in _TOKEN.finditer(run["run"])]
        amounts = [token for token in tokens if token["number"]]
        alone = not any(letter.isalnum() for letter in line[: run.start()] + line[run.end() :])
        # a time without a unit or a word beside it may be when the lesson begins
        named = any(each["hours"] or each["seconds"] or each["unit"] or each["word"] for each in tokens)
        named |= len(tokens) > 1 and any(":" in each["number"] for each in amounts)
        if not ((amounts and named) or (alone and (bare or named))):
            continue
        minutes = _minutes(amounts) if amounts else minutes
        pieces.append(line[at : run.start()])
        at = run.end()
    if at == 0:
        return ([line] if line else []), None
    pieces = [piece.lstrip(" ):,.;~·|-").rstrip(" (:,.;~·|-") for piece in (*pieces, line[at:])]
    return [piece for piece in pieces if any(letter.isalnum() for letter in piece)], minutes


def _minutes(amounts: list[dict[str, str]]) -> int:
    """Add up amounts of time, such as hours:minutes:seconds; a last part of a minute counts as one."""
    seconds = 0
    for amount in amounts:
        value = 0
        for part in amount["number"].split(":"):
            value = value * 60 + int(part)
        seconds += value * (1 if amount["seconds"] or ":" in amount["number"] else 3600 if amount["hours"] else 60)
    return seconds // 60 or min(seconds, 1)
