"""The student's menu: one message that is edited to show the present state, with the buttons that change it."""

import asyncio
from datetime import datetime
from html import escape

from telegram import Update

from lessons.events import MonitorState
from marker.services import Services
from marker.trouble_texts import reason
from storage import Student
from telegram_app.i18n import Texts
from telegram_app.lines import toast
from telegram_app.outbox import Button, Item, Keyboard
from telegram_app.side import SCREEN, Context, below

MENU = "menu"  # the view of a screen that shows it; a view is named as the data of the button that opens it


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
        text += f"\n{rules_line(_)}"
        keyboard.append([Button(_("Enter Invitation Code"), "reg:enter")])
    else:
        text = await _status(services, student, _)
        if services.registry.running(person) or services.registry.waits(person):
            skip, skip_back = Button(_("Skip Today"), "skip:yes"), Button(_("Don't Skip Today"), "skip:no")
            skips = services.registry.state.skips_today(person)
            keyboard += [[Button(_("Stop Monitoring"), "mon:stop")], [skip_back if skips else skip]]
        else:
            keyboard.append([Button(_("Start Monitoring"), "mon:start")])
        other = Button(_("Switch to Automatic"), "mode:automatic")
        if student.mode == "automatic":
            other = Button(_("Switch to Manual"), "mode:manual")
        keyboard.append([other, Button(_("Status"), "mon:status")])
        if not services.settings.single_user:
            keyboard.append([Button(_("Update Password"), "reg:password"), Button(_("Delete My Data"), "del:ask")])
    if services.is_admin(person):
        keyboard.append([Button(_("Admin Panel"), "adm:panel")])
    outage = services.outage.line(_) if services.outage is not None else ""
    return "\n\n".join(part for part in (outage, headline, text) if part), keyboard


def rules_line(_: Texts) -> str:
    return _("Use it only for lessons that you attend. Your university's rules are yours to check.")


async def fresh_menu(services: Services, person: int, headline: str = "") -> list[Item]:
    """Return the messages that show the menu below everything, and remove the old one's buttons."""
    text, keyboard = await main_menu(services, person, headline)
    return below(person, text, keyboard, MENU, headline)


async def changed_menu(services: Services, person: int, headline: str = "") -> Item:
    text, keyboard = await main_menu(services, person, headline)
    return Item(person, "edit", text, keyboard, slot=SCREEN, view=MENU, headline=headline)


def answer(services: Services, _: Texts, headline: str = "") -> str:
    """Return what the tap is answered with that led to a screen: its headline, or else when it was drawn."""
    now = services.clock.now()
    return toast(headline) if headline else _("As of {time}").format(time=clock_time(services, now, now))


async def show_menu(services: Services, person: int, headline: str = "") -> str:
    """Show the menu in place of a person's screen; return the answer to the tap that led to it."""
    await services.outbox.put(await changed_menu(services, person, headline))
    return answer(services, services.texts(person), headline)


async def old_button(services: Services, update: Update, context: Context | None = None) -> None:
    """Answer a tap on a button that does nothing any more, and show the menu in its place."""
    await services.old_button(update)
    await show_menu(services, await services.adopt_screen(update))


def state_word(_: Texts, state: MonitorState) -> str:
    return {
        MonitorState.STARTING: _("starting"),
        MonitorState.SIGNING_IN: _("Signing in to the portal..."),
        MonitorState.WATCHING: _("watching"),
        MonitorState.WAITING: _("not possible at the moment, trying again"),
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
    """Return the lines about a student's monitor. Times in italics pass: they alone are no reason to redraw."""
    registry, now = services.registry, services.clock.now()
    status, next_check = registry.status(student), None
    state = _("waiting for a free place") if registry.waits(student) else ""
    if status is not None:
        state, next_check = state_word(_, status.state), status.next_check
        rests = status.state is MonitorState.RESTING
        # the monitor follows a tap a little later
        if registry.state.skips_today(student):
            state, next_check = _("today is skipped, nothing is marked"), next_check if rests else None
        elif rests and registry.state.rests_until(student, now) is None:
            state, next_check = state_word(_, MonitorState.STARTING), None
        elif rests:
            state = _("resting outside of the active hours")
        elif status.state is MonitorState.WATCHING:
            state = _("on since {time}").format(time=clock_time(services, status.started, now))
    lines = [_("Monitoring: {state}").format(state=state) if state else _("Monitoring: off")]
    if (last_check := registry.last_check(student)) is not None:
        line = _("Last check: {time}").format(time=clock_time(services, last_check, now))
        lines.append(f"<i>{line}</i>")
    if next_check is not None and next_check > now:
        line = _("Next check: {time}").format(time=clock_time(services, next_check, now))
        lines.append(line if status is not None and status.state is MonitorState.RESTING else f"<i>{line}</i>")
    return lines


def trouble_lines(services: Services, student: int, _: Texts) -> list[str]:
    watch = services.registry.state.of(student)
    if watch.trouble_at is None:
        return []
    words = reason(_, watch.trouble, watch.trouble_text)
    at = f"<i>{clock_time(services, watch.trouble_at, services.clock.now())}</i>"
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
