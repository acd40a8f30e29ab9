"""The student's /help: what each step of a check-in needs, and what to do where it fails."""

import pytest

from classroom.student.texts import help_text
from telegram_app.i18n import texts
from tests.classroom.running import Run, Student
from tests.e2e.people import labels


@pytest.mark.integration
def test_through_the_bot(run: Run, student: Student) -> None:
    """/help names the steps, the computer, precise location of both systems, expired codes, and whom to ask."""
    run.starts()
    student.says("/start")
    student.says("/help")
    shown = student.sees("Whom to ask")
    for wanted in (
        "6-digit code",
        "Share your location with the button, from your phone, in class. A computer can't.",
        "iPhone: Settings, Privacy",
        "Android: ",
        "Your teacher confirms.",
        "The code has expired",
        "send the one that is shown now. If none is shown, ask your teacher.",
        "Your teacher: can mark you by hand, without a phone too, and unlink your ID",
        "/me shows your attendance and asks for a correction, /my_data",
    ):
        assert wanted in shown["text"]
    assert len(shown["text"]) < 2000
    assert "Check In" in labels(shown)


@pytest.mark.unit
@pytest.mark.parametrize("language", ["en", "ru", "kk"])
@pytest.mark.parametrize("policy", ["basic", "strict"])
@pytest.mark.parametrize("faces", [True, False])
def test_as_configured(language: str, policy: str, *, faces: bool) -> None:
    """In every language /help has the location's and the face's step as they are configured, and fits a message."""
    _ = texts(language)
    text = help_text(_, policy, checks_faces=faces)
    live = _("Attach, Location, Share My Live Location: on your phone, in class. You may stop it once you are marked.")
    pin = _("Share your location with the button, from your phone, in class. A computer can't.")
    video = _("Record the round video that I ask for, or go on without a face check: then your teacher confirms.")
    assert [each in text for each in (live, pin, video)] == [policy == "strict", policy == "basic", faces]
    assert ("iPhone" in text, "{" in text, len(text) < 2500) == (True, False, True)
