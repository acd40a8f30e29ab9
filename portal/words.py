"""The portal's words in its three languages: captions of buttons that may be pressed, and reasons for a refusal.

The page is held at Russian by its cookie. Seen on the live portal: Отметиться, Отмечен, Marked, Вход, Кіру, Log in; the
others are candidates. Only a whole caption counts, so that nothing is pressed on a guess.
"""

import re
from collections.abc import Collection, Iterable

from portal import errors

MARK = {
    *("отметиться", "отметить", "отметить посещение", "отметить посещаемость", "отметить присутствие"),
    *("белгілену", "белгілеу", "қатысуды белгілеу"),
    *("mark", "mark attendance", "mark me", "check in"),
}
MARKED = {
    *("отмечен", "отмечена", "отмечено", "вы отмечены", "белгіленді", "белгіленген", "сіз белгілендіңіз"),
    *("marked", "checked in", "attendance marked"),
}
SIGN_IN = {
    *("вход", "войти", "вход в систему", "войти в систему", "кіру", "жүйеге кіру"),
    *("log in", "login", "sign in"),
}
SIGN_OUT = {"выход", "выйти", "выйти из системы", "шығу", "жүйеден шығу", "log out", "logout", "sign out"}

_PASSWORD = "парол|құпия ?сөз|password"  # noqa: S105  # a pattern
_LOGIN = rf"{_PASSWORD}|логин|учетн|имя пользовател|пользователь не|қолданушы|пайдаланушы|login|user ?name|credential"
_ACCOUNT = "учетн|аккаунт|доступ|пользовател|account|access|тіркелгі"
_OVER = "истек|устарел|мерзімі|expired"
_SET_NEW = (
    rf"\b(смен(ить|ите|а)|измен(ить|ите)|задайте|придумайте|новый|жаңа|change|choose|set|new)\b.{{0,30}}({_PASSWORD})"
    rf"|({_PASSWORD}) must be changed"
)
# In the order of their priority, in folded text.
_REASONS: list[tuple[str, type[errors.PortalError]]] = [
    (
        r"недоступ|қолжетімсіз|unavailable|не отвечает|перегруж|(server|internal|system) error"
        r"|(ошибк\w*|сбой|ответ) (на )?(серв|систем)|(сервер|жүйе)\w* (ішкі )?қате",
        errors.SignInFailed,
    ),
    (
        r"(слишком много|превышен\w*).*попыт|временно заблок|уақытша бұғат|locked out"
        r"|temporarily (locked|blocked|disabled|suspended)|too many.*(attempt|tries|fail|sign|login)",
        errors.AccountLocked,
    ),
    (r"(?<!будет )заблокир|бұғатталған|(is|was|has been) (blocked|disabled|locked)", errors.AccountBlocked),
    (rf"(?=.*({_LOGIN}|данны|дерек|user)).*(неверн|неправильн|қате|invalid|incorrect|wrong)", errors.SignInRefused),
    (rf"({_PASSWORD}).*({_OVER})|({_OVER}).*({_PASSWORD})|{_SET_NEW}", errors.PasswordExpired),
    (rf"^(?!.*(сеанс|сесси|session))(.*({_ACCOUNT}).*({_OVER})|.*({_OVER}).*({_ACCOUNT}))", errors.AccountExpired),
]


def folded(text: str) -> str:
    """Return a text's words without case, spaces, signs and icons."""
    return " ".join(re.findall(r"\w+", text.casefold().replace("ё", "е")))


def known(captions: Iterable[str], words: Collection[str]) -> str | None:
    """Return the first caption that is one of the words."""
    return next((caption for caption in captions if folded(caption) in words), None)


def account_error(text: str, otherwise: type[errors.PortalError]) -> errors.PortalError:
    """Return the error for the portal's own text about an account; ``otherwise`` where its words are not known."""
    return next((kind for pattern, kind in _REASONS if re.search(pattern, folded(text))), otherwise)(words=text)


def failed_sign_in(text: str) -> errors.PortalError:
    """Return the error for the portal's answer to a sign-in: only a refusal of the account is permanent."""
    return account_error(text, errors.SignInRefused if re.search(_LOGIN, folded(text)) else errors.SignInFailed)
