"""Finds one-time codes in what people send: links, forwarded messages, codes typed by hand with words around them."""

import re
from collections.abc import Iterator
from urllib.parse import unquote

from telegram import Message

from core.lookalikes import ALIKE, visible

LONGEST = 1500  # characters that are read
MOST = 6  # codes of one kind that are taken from one message
_ALIKE = ALIKE | str.maketrans("з", "3")
_IN_LINK = re.compile(r"[?&]start(?:app|group)?\s*=\s*([\w-]+)", re.IGNORECASE)
_ADDRESS = re.compile(r"://|@|\bt\.me/", re.IGNORECASE)


def written(message: Message | None) -> str:
    """Return a message's text or caption, with the addresses behind its links."""
    if message is None:
        return ""
    links = [each.url for each in (*message.entities, *message.caption_entities) if each.url]
    return "\n".join([message.text or message.caption or "", *links])


def payload(arguments: list[str]) -> str:
    """Return the arguments of /start in the form that ``codes_in`` reads as a link's: they are meant as a code."""
    return "?start=" + "".join(arguments)


def codes_in(text: str, *lengths: int) -> tuple[list[str], list[str]]:
    """Return the codes of these lengths in a text, in capitals, and words that may be codes or something else.

    If there is a link with a code, only that one.
    """
    plain = "\n".join(visible(line) for line in unquote(text[:LONGEST]).splitlines())[:LONGEST]
    if linked := [code for found in _IN_LINK.findall(plain) if len(code := _folded([found])) in lengths]:
        return list(dict.fromkeys(linked))[:MOST], []
    sure: dict[str, None] = {}
    words: dict[str, bool] = {}  # whether it has no digit and small letters
    for run in (run for line in (*plain.splitlines(), plain) for run in _runs(line, lengths)):
        code, typed = _folded(run), "".join(run)
        is_prose = not typed.isupper() and not any(map(str.isdecimal, typed))
        if not is_prose and len({len(part) for part in run}) == 1 and re.fullmatch("(?=.*[A-Z])[A-Z0-9]+", code):
            sure[code] = None
        elif re.fullmatch("[A-HJ-NP-Z2-9]+", code):  # no code has the others
            words.setdefault(code, is_prose)
    unsure = [each for each in sorted(words, key=words.__getitem__) if each not in sure]
    return list(sure)[:MOST], unsure[:MOST]


def _folded(parts: list[str]) -> str:
    return "".join(parts).replace("-", "").casefold().translate(_ALIKE).upper()


def _runs(line: str, lengths: tuple[int, ...]) -> Iterator[list[str]]:
    """Yield the runs of words that are as long as a code, such as A3KX 9M7P, the shortest runs first."""
    line = " ".join(each for each in line.split() if not _ADDRESS.search(each))
    words = [word for each in re.split(r"[^\w-]+|_", line) if (word := each.strip("-"))]
    for count in range(1, max(lengths) + 1):
        for at in range(len(words) - count + 1):
            run = words[at : at + count]
            if len(_folded(run)) in lengths:
                yield run
