"""The portal's texts in its three languages.

Texts observed on the portal or found in public scripts are marked as attested; the others are guesses.
"""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_LOCALE = "kk"
LOCALE_COOKIE = "r5-locale"


@dataclass(frozen=True)
class Words:
    """All texts of one language. Templates carry `{n}` or `{reason}`."""

    sign_in_title: str
    username: str
    password: str
    remember_me: str
    sign_in: str
    refused: str
    error: str
    blocked: str
    home: str
    sign_out: str
    attendance: str
    nothing_open: str
    minutes_left: str
    mark: str
    marked: str
    confirm: str
    yes: str
    no: str
    unknown: str


WORDS = {
    "kk": Words(
        sign_in_title="Жүйеге кіру",  # attested
        username="Қолданушы",  # attested
        password="Құпиясөз",  # noqa: S106 - a field's caption
        remember_me="Мені есте сақтау",
        sign_in="Кіру",  # attested
        refused="Логин немесе құпиясөз қате.",
        error="Қате",
        blocked="Пайдаланушы бұғатталған. Себеп: {reason}",  # attested
        home="Басты бет",
        sign_out="Шығу",
        attendance="Сабаққа қатысу",
        nothing_open="Қолжетімді пәндер жоқ",
        minutes_left="{n} минут қалды",  # its last word is attested
        mark="Белгілену",  # attested
        marked="Белгіленді",
        confirm="Сабаққа қатысқаныңызды растайсыз ба?",
        yes="Иә",
        no="Жоқ",
        unknown="Құрметті студент! Жалғастыру үшін сауалнаманы толтырыңыз.",
    ),
    "ru": Words(
        sign_in_title="Вход в систему",  # attested
        username="Пользователь",  # attested
        password="Пароль",  # noqa: S106 - a field's caption
        remember_me="Запомнить меня",  # attested
        sign_in="Вход",  # attested
        refused="Неверный логин или пароль.",  # attested
        error="Ошибка",
        blocked="Пользователь заблокирован. Причина: {reason}",
        home="Главная",
        sign_out="Выход",
        attendance="Отметка посещаемости",
        nothing_open="Нет доступных дисциплин",  # attested
        minutes_left="Осталось {n} минут",  # its first word is attested
        mark="Отметиться",  # attested
        marked="Отмечен",  # attested
        confirm="Подтверждаете своё присутствие на занятии?",
        yes="Да",
        no="Нет",
        unknown="Уважаемый студент! Чтобы продолжить, заполните анкету.",
    ),
    "en": Words(
        sign_in_title="Sign in",
        username="Username",  # attested
        password="Password",  # noqa: S106 - a field's caption
        remember_me="Remember me",
        sign_in="Log in",  # attested
        refused="Invalid login or password",  # attested
        error="Error",
        blocked="User is blocked. Reason: {reason}",
        home="Home",
        sign_out="Log out",
        attendance="Attendance",
        nothing_open="No available disciplines",
        minutes_left="{n} minutes left",  # attested
        mark="Mark attendance",
        marked="Marked",  # attested
        confirm="Do you confirm that you are at the lesson?",
        yes="Yes",
        no="No",
        unknown="Dear student! Please fill in the survey to go on.",
    ),
}

# System notifications are Russian in every language (probable). The second line, HTML, is a guess.
_GO_ON = "Несохранённые данные потеряны.<br/><u>Нажмите здесь</u> или клавишу ESC, чтобы продолжить."
SYSTEM_NOTIFICATIONS = {
    name: {"caption": caption, "message": _GO_ON, "url": None}
    for name, caption in {
        "session_expired": "Время сеанса истекло",  # attested
        "communication": "Проблема со связью",  # attested
        "authentication": "Проблема аутентификации",  # attested
        "cookies_disabled": "Cookies отключены",
    }.items()
}
