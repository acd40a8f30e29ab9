"""The student's menu: one message that is edited to show the present state, with the buttons that change it."""

import asyncio
from datetime import datetime
from html import escape

from telegram import Update

from lessons.events import MonitorState
from marker.services import Services
from storage import Student
from telegram_app.i18n import Texts
from telegram_app.lines import short
from telegram_app.outbox import Button, Item, Keyboard
from telegram_app.side import SCREEN, Context, below

LONGEST_TROUBLE = 300  # characters of the portal's words


async def main_menu(services: Services, person: int, headline: str = "") -> tuple[str, Keyboard]:
    """Return the text and buttons of the main menu; ``headline`` (HTML) stands above."""
    _ = services.texts(person)
    student = services.storage.student(person)
    keyboard: Keyboard = []
    if student is None:
        text = _(
            "This bot marks your attendance on the university's portal. "
            "To begin you need an invitation code from the administrator."
        )
        keyboard.append([Button(_("Enter Invitation Code"), "reg:enter")])
    else:
        text = await _status(services, student, _)
        if services.registry.running(person):
            skip, skip_back = Button(_("Skip Today"), "skip:yes"), Button(_("Don't Skip Today"), "skip:no")
            skips = services.registry.state.skips_today(person)
            keyboard += [[Button(_("Stop Monitoring"), "mon:stop")], [skip_back if skips else skip]]
        else:
            keyboard.append([Button(_("Start Monitoring"), "mon:start")])
        other = Button(_("Switch to Automatic"), "mode:automatic")
        if student.mode == "automatic":
            other = Button(_("Switch to Manual"), "mode:manual")
        keyboard += [
            [other, Button(_("Status"), "mon:status")],
            [Button(_("Update Password"), "reg:password"), Button(_("Delete My Data"), "del:ask")],
        ]
    if services.is_admin(person):
        keyboard.append([Button(_("Admin Panel"), "adm:panel")])
    return "\n\n".join(part for part in (headline, text) if part), keyboard


async def fresh_menu(services: Services, person: int, headline: str = "") -> list[Item]:
    """Return the messages that show the menu below everything, and remove the old one's buttons."""
    text, keyboard = await main_menu(services, person, headline)
    return below(person, text, keyboard)


async def changed_menu(services: Services, person: int, headline: str = "") -> Item:
    text, keyboard = await main_menu(services, person, headline)
    return Item(person, "edit", text, keyboard, slot=SCREEN)


async def show_menu(services: Services, person: int, headline: str = "") -> None:
    """Show the menu in place of a person's screen."""
    await services.outbox.put(await changed_menu(services, person, headline))


async def old_button(services: Services, update: Update, context: Context | None = None) -> None:
    """Answer a tap on a button that does nothing any more, and show the menu in its place."""
    await services.old_button(update)
    await show_menu(services, await services.adopt_screen(update))


def state_word(_: Texts, state: MonitorState) -> str:
    return {
        MonitorState.STARTING: _("starting"),
        MonitorState.SIGNING_IN: _("Signing in to the portal..."),
        MonitorState.WATCHING: _("watching"),
        MonitorState.WAITING: _("the portal can't be reached, trying again"),
        MonitorState.RESTING: _("resting"),
        MonitorState.STOPPED: _("off"),
    }[state]


async def _status(services: Services, student: Student, _: Texts) -> str:
    automatic = _("Mode: automatic, open lessons are marked for you")
    lines = [
        f"<b>{escape(student.username)}</b>",
        automatic if student.mode == "automatic" else _("Mode: manual, you press a button for each lesson"),
        *monitoring_lines(services, student.telegram_id, _),
        *await last_mark_lines(services, student.telegram_id, _),
        *trouble_lines(services, student.telegram_id, _),
    ]
    return "\n".join(lines)


def monitoring_lines(services: Services, student: int, _: Texts) -> list[str]:
    status, now = services.registry.status(student), services.clock.now()
    lines = [_("Monitoring: off")]
    if status is not None:
        state = state_word(_, status.state)
        if status.state is MonitorState.WATCHING:
            state = _("on since {time}").format(time=clock_time(services, status.started, now))
        elif status.state is MonitorState.RESTING and services.registry.state.skips_today(student):
            state = _("today is skipped, nothing is marked")
        elif status.state is MonitorState.RESTING:
            state = _("resting outside of the active hours")
        lines = [_("Monitoring: {state}").format(state=state)]
    if (last_check := services.registry.last_check(student)) is not None:
        lines.append(_("Last check: {time}").format(time=clock_time(services, last_check, now)))
    if status is not None and status.next_check is not None:
        lines.append(_("Next check: {time}").format(time=clock_time(services, status.next_check, now)))
    return lines


def trouble_lines(services: Services, student: int, _: Texts) -> list[str]:
    watch = services.registry.state.of(student)
    if watch.trouble_at is None:
        return []
    words = short(watch.trouble_text or _("a fault on our side"), LONGEST_TROUBLE)
    at = clock_time(services, watch.trouble_at, services.clock.now())
    return [_("Last trouble: {words}, {time}").format(words=words, time=at)]


async def last_mark_lines(services: Services, student: int, _: Texts) -> list[str]:
    last = await asyncio.to_thread(services.lessons.last_mark, student)
    if last is None or last.marked_at is None:
        return []
    at = clock_time(services, datetime.fromisoformat(last.marked_at), services.clock.now())
    return [_("Last mark: {lesson}, {time}").format(lesson=escape(last.subject), time=at)]


def clock_time(services: Services, at: datetime, now: datetime) -> str:
    """Return a local time; with the date where it is not today."""
    zone = services.settings.zone
    local = at.astimezone(zone)
    today = local.date() == now.astimezone(zone).date()
    return local.strftime("%H:%M:%S" if today else "%d.%m.%Y %H:%M")
