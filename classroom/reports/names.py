"""Names of report files, which Windows, macOS, Telegram and zip archives take as they are."""

import hashlib
import re
import unicodedata
from collections.abc import Sequence

LONGEST = {"subject": 70, "batches": 50, "lesson": 40}  # bytes: file systems take 255 for a whole name
_TIME = re.compile(r"(\d\d):(\d\d)")
# What stays as it is, but for spaces, which become "_": a name that is made of such parts says what they were. A batch
# has no space, so that its end is known; and no part looks like the date, or like the mark of a changed name.
_WORDS = re.compile(r"[^\W_]+([ -][^\W_]+)*")
_WORD = re.compile(r"[^\W_]+(-[^\W_]+)*")
_TAKEN = re.compile(r"\d{4}-\d\d-\d\d|(^|\W)[0-9a-f]{6}$|^\d\d-\d\d$")


def lesson_stem(subject: str, batches: Sequence[str], date: str, lesson: str = "") -> str:
    """Return a lesson's file name without its ending, such as "Algorithms_CS-101_2026-11-28" or "..._Lab".

    Two lessons have two names: where a part had to be changed or cut, six characters say which one it was.
    """
    shown = _TIME.sub(r"\1-\2", lesson) if _TIME.fullmatch(lesson) else lesson
    kept = [_cut(subject, "subject"), "+".join(_cut(each, "batches") for each in batches), date, _cut(shown, "lesson")]
    kept[1] = kept[1].encode()[: LONGEST["batches"]].decode(errors="ignore").rstrip("+_-")
    is_plain = (
        _is_plain(subject, kept[0], _WORDS)
        and all(_is_plain(each, _cut(each, "batches"), _WORD) for each in batches)
        and kept[1] == "+".join(batches)
        and (not lesson or shown != lesson or _is_plain(lesson, kept[3], _WORDS))
    )
    if not is_plain:
        key = "\n".join((subject, *batches, date, lesson))
        kept.append(hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()[:6])
    return "_".join(part for part in kept if part)


def register_stem(title: str, subject: str, batch: str, since: str, until: str) -> str:
    """Return a register's file name without its ending."""
    batches = _cut(batch, "batches")
    return "_".join(each for each in (_cut(title, "subject"), _cut(subject, "subject"), batches, since, until) if each)


def _cut(text: str, part: str) -> str:
    plain = re.sub(r"[^\w-]+", "_", unicodedata.normalize("NFC", text)).strip("_-")
    return plain.encode(errors="ignore")[: LONGEST[part]].decode(errors="ignore").rstrip("_-")


def _is_plain(text: str, kept: str, pattern: re.Pattern[str]) -> bool:
    return bool(pattern.fullmatch(text)) and text.replace(" ", "_") == kept and not _TAKEN.search(text)
