"""The profiles of all three bots of the real bot.py."""

import httpx
import pytest

from classroom.profiles import STUDENT, TEACHER
from marker.profile import MARKER
from telegram_app.i18n import LANGUAGES, texts
from tests.bot_process import MarkerProcess
from tests.classroom.running import STUDENT_TOKEN, STUDENTS, TEACHER_TOKEN, TEACHERS
from tests.e2e.people import BOT, TOKEN, Telegram, eventually
from tests.waiting import PATIENCE

BOTS = [(BOT, TOKEN, MARKER), (TEACHERS, TEACHER_TOKEN, TEACHER), (STUDENTS, STUDENT_TOKEN, STUDENT)]


@pytest.mark.ordeal
@pytest.mark.parametrize("portal", ["simulated"], indirect=True)
def test_published(all_bots: MarkerProcess, telegram_url: str) -> None:
    """Each bot publishes its profile in three languages; a restart asks for it, and changes nothing again."""
    telegram = Telegram(telegram_url)

    def shown(token: str, what: str, language: str) -> str:
        body, address = {"language_code": "" if language == "en" else language}, f"{telegram_url}/bot{token}/getMy"
        answer = httpx.post(f"{address}{what}", json=body, trust_env=False, timeout=PATIENCE).json()["result"]
        return str(answer[0]["description"] if what == "Commands" else next(iter(answer.values()))) if answer else ""

    for _bot, token, profile in BOTS:
        for language in LANGUAGES:
            _ = texts(language)
            wanted = {
                "Commands": _("Menu"),
                "Description": profile.description(_),
                "ShortDescription": profile.short(_),
            }
            for what, text in wanted.items():
                eventually(f"{what} in {language}", lambda: shown(token, what, language) == text)  # noqa: B023
    assert all_bots.stop() == 0
    before = telegram.get("/calls")[-1]["n"]
    all_bots.start()

    def asked() -> list[str]:
        return [each["method"] for each in telegram.get("/calls", since=before) if "etMy" in each["method"]]

    eventually("the next start", lambda: asked().count("getMyShortDescription") == len(BOTS) * len(LANGUAGES))
    assert all_bots.stop() == 0
    assert [method for method in asked() if method.startswith("set")] == []
    telegram.http.close()
