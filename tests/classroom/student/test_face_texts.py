"""Texts of face checks in every language: complete, and within Telegram's limits."""

import re
from datetime import date
from itertools import permutations

import pytest

from classroom.domain.face_policy import Examined, Motion, NoteRefusal, Problem
from classroom.domain.video_notes import Unusable
from classroom.student.face_texts import (
    challenge_text,
    consent_text,
    motion_text,
    note_refusal_text,
    problem_text,
    unusable_text,
)
from core.settings import Settings
from telegram_app.i18n import LANGUAGES, texts

pytestmark = pytest.mark.unit


CAPTION, SUBJECT = 1024, 110  # Telegram's limit for a caption, less the lines above the question
ENDS = date(2027, 1, 31)
ACCUSING = ("photo", "picture of", "screen", "фото", "экран", "изображен", "сурет")


def settings(engine: str = "local", *, compares: bool = False) -> Settings:
    """Return the settings of an engine."""
    return Settings(_env_file=None, face_engine=engine, face_compare_class=compares)  # type: ignore[call-arg]


def length(text: str) -> int:
    """Return the length of a text as Telegram counts it: without tags."""
    return len(re.sub("<.*?>", "", text).encode("utf-16-le")) // 2


@pytest.mark.parametrize("language", LANGUAGES)
class TestEveryLanguage:
    @pytest.mark.parametrize(("engine", "compares"), [("local", False), ("local", True), ("rekognition", False)])
    def test_consent_fits(self, language: str, engine: str, compares: bool) -> None:
        """The whole consent text fits into a caption, with the end of the term, and AWS for Rekognition."""
        text = consent_text(texts(language), settings(engine, compares=compares), ENDS)
        assert length(text) <= CAPTION - SUBJECT
        assert "31.01.2027" in text
        assert ("ap-south-1" in text) == (engine == "rekognition")
        assert (texts(language)("I Agree, Also With My Class") in text) == compares

    @pytest.mark.parametrize("problem", [None, *Problem])
    def test_no_accusation(self, language: str, problem: Problem | None) -> None:
        """No student is accused of showing a photograph or a screen; a flat video reads as one without the motions."""
        text = problem_text(texts(language), Examined(problem), ("left", "up")).casefold()
        assert problem is None or not any(word in text for word in ACCUSING)
        if problem is Problem.FLAT:
            assert text == problem_text(texts(language), Examined(Problem.NOT_SEEN), ("left", "up")).casefold()

    def test_challenge_fits(self, language: str) -> None:
        """Every challenge of two or three motions has them in order and the time, and fits into a caption."""
        seen = set()
        for number in (2, 3):
            for motions in permutations(Motion, number):
                text = challenge_text(texts(language), motions, 47)
                assert length(text) <= CAPTION - SUBJECT
                assert "47" in text
                places = [text.index(motion_text(texts(language), motion)) for motion in motions]
                assert places == sorted(places)
                seen.add(text)
        assert len(seen) == 12 + 24

    def test_each_its_own(self, language: str) -> None:
        """Every refusal and every problem has its own text; the student reads of a flat video as of unseen motions."""
        _ = texts(language)
        refusals = [note_refusal_text(_, refusal) for refusal in NoteRefusal]
        kinds = [None, *(problem for problem in Problem if problem is not Problem.FLAT)]
        problems = [problem_text(_, Examined(problem), ("left", "up")) for problem in kinds]
        unusable = [unusable_text(_, why) for why in Unusable]
        lines = refusals + problems + unusable
        assert len(set(lines)) == len(lines)
        assert all("\n" not in text and "{" not in text for text in lines)


L, R, U, D = Motion


@pytest.mark.parametrize(
    ("asked", "seen", "text"),
    [
        ((L, U), (L,), "I saw the turn, but not the look up. Once more?"),
        ((L, U), (R,), "I saw the turn, but not the look up. Once more?"),  # a mirrored camera
        ((U, R), (U,), "I saw the look up, but not the turn. Once more?"),
        ((L, U, D), (L, D), "I saw the turn, the look down, but not the look up. Once more?"),
        ((L, R), (L,), "I saw the turn, but not the other turn. Once more?"),
        ((L, U, R), (U, R), "I saw the turn, the look up, but not the other turn. Once more?"),
        ((L, U), (U, L), "I saw these motions, but not in this order or not only them. Once more, slowly?"),
        ((L, U), (L, U, D), "I saw these motions, but not in this order or not only them. Once more, slowly?"),
        ((L, U), (), "I did not see the motions. Turn to the light, and make each one slowly and far enough."),
        ((L, U), (D,), "I did not see the motions. Turn to the light, and make each one slowly and far enough."),
        ((R, U, L), (), "I did not see the motions. Turn to the light, and make each one slowly and far enough."),
        ((L, R, L), (), "I did not see the motions. Turn to the light, and make each one slowly and far enough."),
        ((R, U, L), (R,), "I saw the turn, but not the look up, the other turn. Once more?"),
        ((), (), "I did not see the motions. Turn to the light, and make each one slowly and far enough."),
    ],
)
def test_what_was_seen(asked: tuple[Motion, ...], seen: tuple[Motion, ...], text: str) -> None:
    """The answer names what was seen and what was not."""
    assert problem_text(texts("en"), Examined(Problem.NOT_SEEN, seen=seen), asked) == text
