"""Whatever trouble a rehearsal records is met again when its trace is played, and so are captions that it teaches."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from core.clock import SystemClock
from portal import errors
from portal.browser import Browser
from portal.limits import Patience
from portal.rehearsal import Rehearsal
from portal.session import ChromePortal
from portal.trace import Trace
from portal.views import View
from sandbox.portal.replay import Replay, read_trace
from tests.e2e.people import Portal, empty_portal
from tests.portal.browsers import PASSWORD, USERNAME, page_of, until
from tests.servers import in_thread
from tests.test_attendance import kinds_of


class Stopped(Exception):
    pass


@pytest.fixture
def portal(simulated_portal_url: str) -> Iterator[Portal]:
    """The simulator with one student: the troubles are its options."""
    with empty_portal(simulated_portal_url) as portal:
        portal.has_student(USERNAME, PASSWORD)
        yield portal


def recorded(
    browser: Browser, address: str, path: Path, met: Callable[[View | errors.PortalError], None]
) -> tuple[list[str], str]:
    """Rehearse until something is met that ends it or that ``met`` stops at; return the trace and the error's name."""
    trace, why = Trace(path, time.monotonic, (USERNAME, PASSWORD)), "stopped"
    try:
        Rehearsal(browser, address, trace, time.sleep, SystemClock(), 0.3, 0.6, met).run(USERNAME, PASSWORD)
    except Stopped:
        pass
    except errors.PortalError as error:
        why = type(error).__name__
    trace.end(why)
    trace.close()
    return path.read_text(encoding="utf-8").splitlines(), why


def met_again(page: ChromePortal, address: str) -> errors.PortalError:
    """Load the address as the monitor does, and sign in where it is asked for; return the trouble."""
    try:
        page.load(address)
        reading = page.settle()
        if reading.view is View.LOGIN:
            reading = page.sign_in("anybody", "anything")
    except errors.PortalError as error:
        return error
    if reading.view in (View.SESSION_LOST, View.COMMUNICATION):
        return errors.SessionLost(words=reading.text)
    refusal = reading.refusal()
    assert refusal is not None, reading
    return refusal


@pytest.mark.integration
@pytest.mark.browser
@pytest.mark.ordeal
@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        ({"password_expired": True}, "PasswordExpired"),
        ({"sign_in_answer": "Слишком много попыток входа"}, "AccountLocked"),
        ({"sign_in_answer": "Срок действия учётной записи истёк"}, "AccountExpired"),
        ({"sign_in_answer": "Неверный логин или пароль."}, "SignInRefused"),
        ({"sign_in_answer": "Сервис недоступен, попробуйте позже"}, "SignInFailed"),
        ({"foreign_page": "captive"}, "NotThePortal"),
        ({"foreign_page": "maintenance"}, "NotThePortal"),
        ({"foreign_page": "not found"}, "NotThePortal"),
        ({"foreign_page": "empty"}, "NotThePortal"),
        ({"status": 503}, "PortalUnavailable"),
    ],
)
def test_recorded_trouble(
    behaviour: dict[str, Any], error: str, portal: Portal, browser: Browser, tmp_path: Path
) -> None:
    """A trouble is recorded as what it is, and its trace played leads a monitor's page objects to the same one."""

    def met(what: View | errors.PortalError) -> None:
        if isinstance(what, errors.PortalError):
            raise Stopped

    portal.behaves(**behaviour)
    lines, why = recorded(browser, portal.address, tmp_path / "trace.jsonl", met)
    assert next(r["error"] for r in map(json.loads, lines) if r["kind"] == "trouble") == error
    assert (why == "stopped") is not getattr(errors, error).permanent
    with in_thread(Replay(read_trace(lines), 50.0).serving()) as url:
        address = f"{url}/RegistrationOnline"
        assert type(met_again(page_of(browser, address), address)).__name__ == error


@pytest.mark.integration
@pytest.mark.browser
@pytest.mark.ordeal
def test_a_blocked_account_ends_it(portal: Portal, browser: Browser, tmp_path: Path) -> None:
    """An account that is blocked while its session lasts ends the rehearsal at the next load, and is played once."""
    portal.has_student(USERNAME, PASSWORD)

    def met(what: View | errors.PortalError) -> None:
        if what is View.NOTHING:
            portal.has_student(USERNAME, PASSWORD, blocked="Долг")

    lines, why = recorded(browser, portal.address, tmp_path / "trace.jsonl", met)
    assert why == "AccountBlocked"
    assert [view.view for view in read_trace(lines)].count("blocked") == 1


@pytest.mark.integration
@pytest.mark.browser
@pytest.mark.ordeal
def test_unknown_captions_are_taught(portal: Portal, browser: Browser, tmp_path: Path) -> None:
    """A button that nobody has seen, of two lessons, is named and played as it was; courses and names are not."""

    def met(what: View | errors.PortalError) -> None:
        if what is View.NOTHING:
            portal.behaves(unknown_buttons=True, other_buttons=True)
            portal.opens("Алгебра")
            portal.opens("Biology", teacher="Петрова Анна", time="П2 (15:00 - 15:50)")
        elif what is View.UNKNOWN:
            raise Stopped

    lines, _ = recorded(browser, portal.address, tmp_path / "trace.jsonl", met)
    records = [json.loads(line) for line in lines]
    cards = next(record["cards"] for record in records if record.get("view") == "unknown")
    assert [(card["known"], card["enabled"], card["caption"].split(", ")[0]) for card in cards] == [
        (False, False, "Подробнее")
    ] * 2
    (named,) = [record["captions"] for record in records if record["kind"] == "captions"]
    assert list(named.values()) == ["Зачесть"]
    assert cards[0]["caption"] == f"Подробнее, {next(iter(named))}"
    assert not any(name in "\n".join(lines) for name in ("Алгебра", "Biology", "Петрова", "Анна", "Ivanov"))
    with in_thread(Replay(read_trace(lines), 1000.0).serving()) as url:
        page = page_of(browser, address := f"{url}/RegistrationOnline")
        page.load(address)
        page.settle()
        page.sign_in("anybody", "anything")

        def strange() -> list[str]:
            page.load(address)
            return [card.caption for card in page.settle().strange]

        until(strange)
        assert strange() == ["Подробнее, Зачесть"] * 2


def trace_of(error: str, tree: Any, text: str = "") -> list[str]:
    """Return a trace in which a load ended with this error."""
    shape = None if tree is None else 1
    records = [
        {"t": 0, "kind": "begin", "schema": 1, "refresh": 20.0, "clock": "10:00"},
        *([{"t": 0.1, "kind": "shape", "id": 1, "tree": tree}] if tree is not None else []),
        {"t": 0.2, "kind": "trouble", "error": error, "after": "load", "shape": shape, "text": text},
    ]
    return [json.dumps(record) for record in records]


BODY = ["body", [], [], [["div", ["v-label"], [], ["Здравствуйте"]]]]
EXPIRED = ["h1", ["v-Notification-caption"], [], ["Время сеанса истекло"]]
LOST = ["body", [], [], [["div", ["v-Notification", "v-Notification-system"], [], [EXPIRED]]]]


@pytest.mark.unit
@pytest.mark.parametrize("kind", sorted(kinds_of(errors.PortalError) - {errors.PortalError}, key=str))
def test_every_trouble_is_played(kind: type[errors.PortalError]) -> None:
    """Each error of the portal that a trace may have is a view; those of Chrome, which end a rehearsal, are none."""
    begin, *rest = trace_of(kind.__name__, BODY)
    login = json.dumps({"t": 0, "kind": "view", "view": "login", "after": "load", "shape": None, "ready": 0})
    views = read_trace([begin, login, *rest])[1:]
    assert len(views) == (0 if issubclass(kind, errors.BrowserFailed) else 1)


@pytest.mark.integration
@pytest.mark.browser
@pytest.mark.parametrize(
    ("error", "tree", "text", "again"),
    [
        ("PortalSlow", BODY, "", errors.PortalSlow),
        ("PortalUnavailable", None, "", errors.PortalUnavailable),
        ("PortalUnavailable", BODY, "net::ERR_NAME_NOT_RESOLVED", errors.PortalUnavailable),
        ("CertificateRefused", BODY, "net::ERR_CERT_AUTHORITY_INVALID", errors.PortalUnavailable),
        ("SessionLost", LOST, "", errors.SessionLost),
    ],
)
def test_written_trouble(error: str, tree: Any, text: str, again: type[errors.PortalError], browser: Browser) -> None:
    """A page that is never ready, a connection that fails and a session that is lost are played as such."""
    with in_thread(Replay(read_trace(trace_of(error, tree, text)), 50.0).serving()) as url:
        address = f"{url}/RegistrationOnline"
        page = ChromePortal(browser, address, time.sleep, SystemClock(), patience=Patience(least=0.7))
        # on a slow machine the first page may not even begin to arrive in time; its patience grows with each
        until(lambda: type(met_again(page, address)) is again)
