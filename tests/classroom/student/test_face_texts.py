"""What is said of faces, in every language: complete, and no longer than Telegram takes."""

from datetime import date
from itertools import permutations

import pytest

from classroom.domain.face_policy import Motion, NoteRefusal, Problem
from classroom.domain.video_notes import Unusable
from classroom.student.face_texts import challenge_text, consent_text, note_refusal_text, problem_text, unusable_text
from telegram_app.i18n import LANGUAGES, texts

pytestmark = pytest.mark.unit


CAPTION, SUBJECT = 1024, 110  # Telegram's limit for the text of a picture, and what is above the question in it
ENDS = date(2027, 1, 31)
ACCUSING = ("photo", "picture of", "screen", "фото", "экран", "изображен", "сурет")


@pytest.mark.parametrize("language", LANGUAGES)
class TestEveryLanguage:
    @pytest.mark.parametrize("engine", ["local", "rekognition"])
    def test_consent_fits(self, language: str, engine: str) -> None:
        """What is agreed to fits below a picture whole, with the term's end, and with AWS where it compares."""
        text = consent_text(texts(language), engine, "ap-south-1", ENDS)
        assert len(text.encode("utf-16-le")) // 2 <= CAPTION - SUBJECT
        assert "31.01.2027" in text
        assert ("ap-south-1" in text) == (engine == "rekognition")

    def test_no_accusation(self, language: str) -> None:
        """A video without a face's relief is answered with what to do: no student reads of a photograph or a screen."""
        text = problem_text(texts(language), Problem.FLAT).casefold()
        assert not any(word in text for word in ACCUSING)

    def test_challenge_fits(self, language: str) -> None:
        """Every challenge says its two motions in their order, and how long there is, below a picture."""
        seen = set()
        for first, second in permutations(Motion, 2):
            text = challenge_text(texts(language), (first, second), 47)
            assert len(text.encode("utf-16-le")) // 2 <= CAPTION - SUBJECT
            assert "47" in text
            seen.add(text)
        assert len(seen) == 6

    def test_each_its_own(self, language: str) -> None:
        """Every refusal and every problem has a line of its own."""
        _ = texts(language)
        refusals = [note_refusal_text(_, refusal) for refusal in NoteRefusal]
        problems = [problem_text(_, problem) for problem in (None, *Problem)]
        unusable = [unusable_text(_, why) for why in Unusable]
        said = refusals + problems + unusable
        assert len(set(said)) == len(said)
        assert all("\n" not in text and "{" not in text for text in said)
