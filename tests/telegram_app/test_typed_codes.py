"""Codes are found in what people send, however it is dressed, and ordinary texts are hardly ever taken for codes."""

import unicodedata
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from storage import CODE_ALPHABET
from telegram_app.typed_codes import MOST, codes_in, payload

pytestmark = pytest.mark.unit

CYRILLIC = str.maketrans("ABCEHKMPTXY3", "АВСЕНКМРТХУЗ")
GREEK = str.maketrans("ABEHKMNPTXYZ", "ΑΒΕΗΚΜΝΡΤΧΥΖ")
INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad\ufe0f\u202a"
WORDS = st.lists(st.text("абвгдежзийклмнпрст", min_size=1, max_size=10), max_size=6).map(" ".join)

codes = st.text(CODE_ALPHABET, min_size=8, max_size=8)
cases = st.sampled_from([str, str.lower, str.title])
alphabets = st.sampled_from(
    [str, lambda t: t.translate(CYRILLIC), lambda t: t.translate(GREEK), lambda t: "".join(map(wide, t))]
)
frames = st.sampled_from(
    [
        "{}",
        "  {}\n",
        "«{}»",
        "“{}”",
        "'{}'",
        "`{}`",
        "({}).",
        "Invitation code: {}",
        "Код приглашения: {}",
        "Шақыру коды: {}!",
        "code={}",
        "/start {}",
        "Мой код {}, спасибо",
        "Invitation code: {}\nIt works once.",
    ]
)
links = st.sampled_from(
    [
        "https://t.me/attendance_bot?start={}",
        "t.me/attendance_bot?start={}",
        "http://telegram.me/ABCD2345_bot?start={}",
        "tg://resolve?domain=attendance_bot&start={}",
        "Invitation code: {0}\nIt works once. This link does the same with one tap:\nhttps://t.me/ABCD2345?start={0}",
        "Привет! Вот ссылка ( https://t.me/attendance_bot?start={} ), нажми",
    ]
)


def wide(character: str) -> str:
    """Return the full-width form of an ASCII character."""
    return chr(ord(character) + 0xFEE0)


def found(text: str) -> tuple[str, ...]:
    sure, words = codes_in(text, 8, 12)
    return (*sure, *words)


@given(codes, cases, alphabets, frames)
def test_a_code_in_any_writing(code: str, case: object, alphabet: object, frame: str) -> None:
    """A code is found in small letters, look-alike and full-width ones, in quotes and after words."""
    assert code in found(frame.format(alphabet(case(code))))  # type: ignore[operator]


@given(codes, links, st.booleans())
def test_a_link(code: str, link: str, is_quoted: bool) -> None:
    """Of a link, also within the bot's own message, only the code is taken, and it counts as one."""
    text = link.format(code)
    assert codes_in(quote(text) if is_quoted else text, 8, 12) == ([code], [])


@given(codes, st.lists(st.sampled_from(INVISIBLE), min_size=8, max_size=8), frames)
def test_invisible_characters(code: str, unseen: list[str], frame: str) -> None:
    """Characters that nobody sees change nothing."""
    assert code in found(frame.format("".join(map("".join, zip(code, unseen, strict=True)))))


@given(codes, st.sets(st.integers(1, 7), min_size=1), st.sampled_from([" ", "-", " - ", "—", "_", ".", "\n", "\xa0"]))
def test_broken_up(code: str, breaks: set[int], separator: str) -> None:
    """Spaces, dashes, dots and new lines may stand anywhere in a code that is sent alone."""
    assume(separator != "\n" or len(breaks) < 7)
    text = "".join(separator * (at in breaks) + character for at, character in enumerate(code))
    assert code in found(text)
    assert code in found(f"Invitation code: {text}") or "\n" in separator


@given(codes, WORDS, WORDS)
def test_among_words(code: str, before: str, after: str) -> None:
    """A code is found among Russian words."""
    assert code in found(f"{before} {code} {after}")


@pytest.mark.parametrize("typed", ["ABCD2345", "abcd2345", " abcd 2345 ", "ABCD-2345", "a-b c-d\n2345", "abcd–2345"])
def test_typed_by_hand(typed: str) -> None:
    """A code may be typed in lower case, with spaces and dashes."""
    assert found(typed) == ("ABCD2345",)


@pytest.mark.parametrize(
    "text",
    [
        "hello",
        "hey there",
        "students",
        "What code? I have none.",
        "Здравствуйте, где взять код приглашения?",
        "Сәлем, маған код қайдан алуға болады?",
        "a_student",
        "a_student@kbtu.kz",
        "Correct-Horse-7",
        "+7 701 123 45 67",
        "87011234567",
        "20.11.2026",
        "12345678",
        "https://example.com/ABCD2345",
        "My name is Aruzhan and my group is 22-B",
        "👋",
        "",
    ],
)
def test_no_code(text: str) -> None:
    """What does not look like a code is no wrong try."""
    assert codes_in(text, 8, 12)[0] == []


@given(st.text(max_size=4000))
def test_any_text(text: str) -> None:
    """Any text gives few codes, each of a code's length, in capitals and digits."""
    sure, words = codes_in(text, 8, 12)
    assert max(len(sure), len(words)) <= MOST
    for code in (*sure, *words):
        assert len(code) in (8, 12)
        assert code.isascii()
        assert code == unicodedata.normalize("NFKC", code).upper()


@pytest.mark.parametrize("text", ["a " * 2000, "ab-" * 1500, "?start=" * 600, "\ufdfa" * 4096, "start=a&" * 500])
def test_long_texts_are_cut(text: str) -> None:
    """Whatever is sent, only its beginning is read, and a code there is found."""
    assert "ABCD2345" in found(f"ABCD2345 {text}")


@given(codes, cases, st.integers(1, 7))
def test_after_start(code: str, case: object, at: int) -> None:
    """What follows /start is meant as a code, also in small letters without a digit, or in two parts."""
    assert callable(case)
    for arguments in ([case(code)], [case(code[:at]), case(code[at:])]):
        assert codes_in(payload(arguments), 8) == ([code], [])
