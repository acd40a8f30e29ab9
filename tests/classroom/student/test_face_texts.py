"""Texts of face checks in every language: complete, and within Telegram's limits."""

from datetime import date
from itertools import permutations

import pytest

from classroom.domain.face_policy import Motion, NoteRefusal, Problem
from classroom.domain.video_notes import Unusable
from classroom.student.face_texts import challenge_text, consent_text, note_refusal_text, problem_text, unusable_text
from telegram_app.i18n import LANGUAGES, texts

pytestmark = pytest.mark.unit


CAPTION, SUBJECT = 1024, 110  # Telegram's limit for a caption, less the lines above the question
ENDS = date(2027, 1, 31)
ACCUSING = ("photo", "picture of", "screen", "фото", "экран", "изображен", "сурет")


@pytest.mark.parametrize("language", LANGUAGES)
class TestEveryLanguage:
    @pytest.mark.parametrize("engine", ["local", "rekognition"])
    def test_consent_fits(self, language: str, engine: str) -> None:
        """The whole consent text fits into a caption, with the end of the term, and AWS for Rekognition."""
        text = consent_text(texts(language), engine, "ap-south-1", ENDS)
        assert len(text.encode("utf-16-le")) // 2 <= CAPTION - SUBJECT
        assert "31.01.2027" in text
        assert ("ap-south-1" in text) == (engine == "rekognition")

    def test_no_accusation(self, language: str) -> None:
        """A flat video is answered with what to do: no student is accused of showing a photograph or a screen."""
        text = problem_text(texts(language), Problem.FLAT).casefold()
        assert not any(word in text for word in ACCUSING)

    def test_challenge_fits(self, language: str) -> None:
        """Every challenge has its two motions in order and the time, and fits into a caption."""
        seen = set()
        for first, second in permutations(Motion, 2):
            text = challenge_text(texts(language), (first, second), 47)
            assert len(text.encode("utf-16-le")) // 2 <= CAPTION - SUBJECT
            assert "47" in text
            seen.add(text)
        assert len(seen) == 12

    def test_each_its_own(self, language: str) -> None:
        """Every refusal and every problem has its own text."""
        _ = texts(language)
        refusals = [note_refusal_text(_, refusal) for refusal in NoteRefusal]
        problems = [problem_text(_, problem) for problem in (None, *Problem)]
        unusable = [unusable_text(_, why) for why in Unusable]
        lines = refusals + problems + unusable
        assert len(set(lines)) == len(lines)
        assert all("\n" not in text and "{" not in text for text in lines)
