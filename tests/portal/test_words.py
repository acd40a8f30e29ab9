"""The portal's words about an account give one error each."""

import pytest

from portal import errors
from portal.views import Reading, View
from portal.words import account_error, failed_sign_in

pytestmark = pytest.mark.unit


OF_ACCOUNTS = [
    ("Неверный логин или пароль.", errors.SignInRefused),
    ("Логин немесе құпиясөз қате.", errors.SignInRefused),
    ("Invalid login or password", errors.SignInRefused),
    ("Неверный пароль. Учётная запись будет заблокирована после 3 попыток.", errors.SignInRefused),
    ("Неверный логин или срок действия пароля истек", errors.SignInRefused),
    ("Слишком много попыток входа", errors.AccountLocked),
    ("Учётная запись временно заблокирована из-за неверных паролей", errors.AccountLocked),
    ("Too many failed attempts: your account is locked", errors.AccountLocked),
    ("Пользователь заблокирован. Причина: оплата", errors.AccountBlocked),
    ("Пайдаланушы бұғатталған. Себеп: төлем", errors.AccountBlocked),
    ("Your account has been disabled", errors.AccountBlocked),
    ("Срок действия учётной записи истёк", errors.AccountExpired),
    ("Your account has expired.", errors.AccountExpired),
    ("Срок действия пароля истёк. Задайте новый.", errors.PasswordExpired),
    ("Смените пароль", errors.PasswordExpired),
    ("Құпиясөз мерзімі бітті", errors.PasswordExpired),
    ("Your password has expired", errors.PasswordExpired),
    ("Password must be changed", errors.PasswordExpired),
]
OF_SIGN_INS = [
    ("Неверный логин или пароль.", errors.SignInRefused),
    ("Invalid login or password", errors.SignInRefused),
    ("Логин немесе құпиясөз қате.", errors.SignInRefused),
    ("Пользователь заблокирован. Причина: оплата", errors.AccountBlocked),
    ("Сервер перегружен, попробуйте позже", errors.SignInFailed),
    ("Too many users, try again later", errors.SignInFailed),
    ("Something went wrong, please try again", errors.SignInFailed),
    ("Service temporarily unavailable", errors.SignInFailed),
    ("Login service is unavailable", errors.SignInFailed),
    ("Қызмет уақытша қолжетімсіз", errors.SignInFailed),
    ("Серверде қате пайда болды", errors.SignInFailed),
    ("Неверный ответ сервера, введите пароль позже", errors.SignInFailed),
    ("Неверные данные. Обратитесь в службу поддержки", errors.SignInRefused),
    ("Пользователь не найден", errors.SignInRefused),
]


@pytest.mark.parametrize(("text", "kind"), OF_ACCOUNTS)
def test_account_error(text: str, kind: type[errors.PortalError]) -> None:
    """Each of the portal's texts gives exactly its error, with the text, whatever the caller would take else."""
    for otherwise in (errors.SignInRefused, errors.AccountBlocked):
        error = account_error(text, otherwise)
        assert (type(error), str(error), error.permanent) == (kind, text, True)


def test_other_words() -> None:
    """Words that are not known give the caller's error."""
    for text in ("Обратитесь в деканат", "Сеанс пользователя истёк", "Sign-in failed. Reset password"):
        assert type(account_error(text, errors.SignInRefused)) is errors.SignInRefused
    assert type(Reading(View.BLOCKED, "Обратитесь в деканат").refusal()) is errors.AccountBlocked
    assert type(Reading(View.BLOCKED, "Сервис временно недоступен").refusal()) is errors.SignInFailed
    assert type(Reading(View.BLOCKED, "Срок действия учетной записи истек").refusal()) is errors.AccountExpired
    assert type(Reading(View.PASSWORD_EXPIRED).refusal()) is errors.PasswordExpired
    assert Reading(View.OPEN).refusal() is None


@pytest.mark.parametrize(("words", "error"), OF_SIGN_INS)
def test_failed_sign_in(words: str, error: type[Exception]) -> None:
    """Only words about the account end the monitoring; after others it is tried again."""
    failed = failed_sign_in(words)
    assert type(failed) is error
    assert words in str(failed)
    assert failed.permanent is (error is not errors.SignInFailed)
