"""Typed text as people see it: without invisible characters, and with look-alike letters as Latin ones."""

import unicodedata

# Letters (lower case) whose capitals look like Latin ones: a text typed on a keyboard that was not switched.
CYRILLIC = ("авсенкмортухіѕјһүԛԝ", "abcehkmoptyxisjhyqw")
GREEK = ("αβεζηικμνορτυχ", "abezhikmnoptyx")
ALIKE = str.maketrans(CYRILLIC[0] + GREEK[0], CYRILLIC[1] + GREEK[1])
# What is invisible besides Unicode's formatting characters (None), and all dashes
UNSEEN = dict.fromkeys((0x34F, 0x115F, 0x1160, *range(0xFE00, 0xFE10))) | dict.fromkeys(map(ord, "‐‒–—―−"), "-")


def visible(text: str) -> str:
    """Return a text as people see it: no invisible characters, plain single spaces and dashes, digits as ASCII."""
    plain = unicodedata.normalize("NFKC", text).translate(UNSEEN)
    shown = (each for each in plain if unicodedata.category(each) not in ("Cf", "Me"))
    return " ".join("".join(str(unicodedata.decimal(each, each)) for each in shown).split())
