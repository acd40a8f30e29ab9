"""Messages about lasting errors: to the student after five minutes and when the error is over; to the admin one for an
outage, one for monitors that failed together, one with a picture for an unknown page, and one for a shared token.

An outage is an error of many monitors, the same one of all that run, or one of this installation's.
"""

import asyncio
import functools
import logging
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from pathlib import Path

from core.json_file import replace_file
from core.tasks import each
from lessons.events import ENDS, Event, MonitorState, StatusEvent
from marker.menu import clock_time
from marker.services import UNKNOWN_PAGES, Services
from marker.trouble_texts import LONGEST_WORDS, OURS, PERSONAL, reason, remedy
from telegram_app.i18n import Texts
from telegram_app.outbox import NOTICE, Item

log = logging.getLogger(__name__)

TOLD_AFTER = timedelta(minutes=5)
# Monitors that fail within this time are one message to the admin.
GATHERED_FOR = timedelta(seconds=30)
OUTAGE_AFTER = timedelta(minutes=4)  # so that the admin knows within five, with the time that finding it takes
MANY = 3  # students with a lasting error at once are an outage
FEW = 1  # or none: then the outage is over, and this student has a problem of their own
OUTAGE = "outage"  # the claim's key while the admin knows of it
NAMED = 5  # usernames in the admin's message
KEPT_PAGES = 10  # pictures and sources of unknown pages on disk


@dataclass
class _Lasting:
    """An error that lasts: since when, and what it is (``StatusEvent.cause`` and ``detail``)."""

    username: str
    since: datetime
    cause: str
    detail: str
    told: bool = False  # the student got a message
    resting: bool = False  # nothing is checked now; the next check shows whether it is over


class Troubles:
    """Gets every status event; ``check`` is called each second."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._lasting: dict[int, _Lasting] = {}
        self._failed: list[tuple[str, StatusEvent]] = []  # usernames of monitors that failed, or what else did
        self._gathering_since: datetime | None = None
        self._outage_since: datetime | None = None
        self._one_at_a_time = asyncio.Lock()  # the message about an error is sent before the one about its end

    async def load(self) -> None:
        """Load the errors that a previous process reported and that are not over; once, before the monitors start."""
        kept = await asyncio.to_thread(self._services.watches.all)
        for student in self._services.storage.students():
            watch = kept.get(student.telegram_id)
            if student.monitoring and watch is not None and watch.told_since is not None:
                lasting = _Lasting(student.username, watch.told_since, watch.trouble, watch.trouble_text, told=True)
                self._lasting[student.telegram_id] = lasting
        self._outage_since = await asyncio.to_thread(self._services.claims.at, OUTAGE)

    async def on_status(self, student: int, username: str, event: StatusEvent) -> None:
        async with self._one_at_a_time:
            lasting = self._lasting.get(student)
            match event.event:
                case Event.TROUBLE | Event.UNKNOWN_VIEW:
                    if lasting is None:
                        now = self._services.clock.now()
                        lasting = self._lasting[student] = _Lasting(username, now, event.cause, event.detail)
                    lasting.cause, lasting.detail, lasting.resting = event.cause, event.detail, False
                    if event.lasting and not lasting.told:
                        await self._tell_lasting(student, lasting)
                    await self._show_page(username, event)
                case Event.MARK_REFUSED | Event.UNKNOWN_CARD:
                    await self._show_page(username, event)
                case Event.WATCHING if lasting is not None and not event.lasting:
                    if lasting.told:
                        await self._tell_over(student)
                    self._lasting.pop(student, None)
                case Event.RESTING if lasting is not None:
                    lasting.resting = True  # it may not be over
                    if not lasting.told:
                        del self._lasting[student]
                case end if end in (Event.STOPPED, *ENDS):
                    self._lasting.pop(student, None)  # the end has a message of its own
                    await asyncio.to_thread(self._services.watches.claim_relief, student)

    def failed(self, username: str, event: StatusEvent) -> None:
        """Keep the end of a monitor, or an unforeseen error (RESTARTED); the admin gets one message about all."""
        self._failed.append((username, event))
        self._gathering_since = self._gathering_since or self._services.clock.now()

    async def check(self) -> None:
        """Send the messages that are due."""
        async with self._one_at_a_time:
            now = self._services.clock.now()

            async def tell(student: int) -> None:
                lasting = self._lasting[student]
                if not lasting.told and now - lasting.since >= TOLD_AFTER:
                    await self._tell_lasting(student, lasting)

            await each(tell, list(self._lasting))
            if self._gathering_since is not None and now - self._gathering_since >= GATHERED_FOR:
                await self.tell_gathered()
            await self._check_outage(now)

    async def tell_gathered(self) -> None:
        """Send the message about failed monitors, without waiting for more: also at the end of the process."""
        if ended := [each for each in self._failed if each[1].event is not Event.RESTARTED]:
            await self._tell_failed(ended)
            self._failed = [each for each in self._failed if each not in ended]
        restarted = [each for each in self._failed if each[1].event is Event.RESTARTED]
        for error in dict.fromkeys(event.text for _name, event in restarted):
            alike = [each for each in restarted if each[1].text == error]
            await self._tell_restarted(error, [name for name, _event in alike])
            self._failed = [each for each in self._failed if each not in alike]
        self._gathering_since = self._services.clock.now() if self._failed else None

    def long_troubled(self) -> int:
        """Return how many monitors have an error that lasts for five minutes or longer."""
        now = self._services.clock.now()
        return sum(now - each.since >= TOLD_AFTER and not each.resting for each in self._lasting.values())

    async def _tell_lasting(self, student: int, lasting: _Lasting) -> None:
        _ = self._services.texts(student)
        since = lasting.since.astimezone(self._services.settings.zone).strftime("%H:%M")
        why = reason(_, lasting.cause, lasting.detail)
        text = _("Lessons can't be checked since {time}: {reason}.").format(time=since, reason=why) + "\n"
        if lasting.cause == "SignInFailed":
            text += _(
                "So that your account is not locked I try only now and then, and will tell you when it works again. "
                "If a lesson is open, mark it on the portal yourself."
            )
        else:
            text += _(
                "I keep trying and will tell you when it works again. If a lesson is open, mark it on the portal "
                "yourself."
            )
        item = Item(student, "send", f"<b>[{escape(lasting.username)}]</b> {text}", lane=NOTICE)
        claim = functools.partial(self._services.watches.claim_trouble, student, lasting.since)
        if await self._services.outbox.put(item, when=claim):
            log.info("person %d: trouble since %s, to be told", student, lasting.since.isoformat(timespec="seconds"))
        lasting.told = True

    async def _tell_over(self, student: int) -> None:
        _ = self._services.texts(student)
        text = _("The portal works again, and monitoring goes on.")
        item = Item(student, "send", text, lane=NOTICE)
        if await self._services.outbox.put(item, when=lambda: self._services.watches.claim_relief(student)):
            log.info("person %d: trouble is over, to be told", student)

    async def _tell_failed(self, failed: list[tuple[str, StatusEvent]]) -> None:
        def why(_: Texts, event: StatusEvent) -> str:
            is_unforeseen = event.event is Event.FAILED and event.text  # its kind and place, for the operator
            return escape(event.text) if is_unforeseen else reason(_, event.cause, event.detail)

        def text(_: Texts) -> str:
            if len(failed) == 1:
                username, event = failed[0]
                text = _("The monitor of {username} has stopped: {reason}")
                return text.format(username=escape(username), reason=why(_, event))
            counted = Counter(why(_, event) for _name, event in failed).most_common(3)
            head = _.ngettext("{n} monitor has stopped: {names}", "{n} monitors have stopped: {names}", len(failed))
            head = head.format(n=len(failed), names=_names([name for name, _event in failed]))
            return head + "".join(f"\n{count} x {what}" for what, count in counted)

        await self._services.outbox.put(*self._services.to_admins(text))

    async def _tell_restarted(self, error: str, names: list[str]) -> None:
        """Tell each admin of an unforeseen error, once a day for each place where one arises."""
        now, concerned = self._services.clock.now(), _names(list(dict.fromkeys(names)))

        def text(_: Texts) -> str:
            return _(
                "An unforeseen error, {reason}, with: {names}. It is tried again with growing pauses; the log has the"
                " details."
            ).format(reason=escape(error), names=concerned)

        claim = functools.partial(self._services.claims.claim, f"error:{error}:{now:%F}", now)
        await self._services.outbox.put(*self._services.to_admins(text), when=claim)

    async def _check_outage(self, now: datetime) -> None:
        """Tell the admin once of an outage, and once that it is over, also across restarts of ours."""
        lasting = [each for each in self._lasting.values() if now - each.since >= OUTAGE_AFTER]
        if self._outage_since is None and (len(lasting) >= MANY or (lasting and self._concerns_all())):
            since = min(each.since for each in lasting)
            log.warning("outage: %d monitors can't check the portal since %s", len(lasting), since)
            time, names = clock_time(self._services, since, now), _names([each.username for each in lasting])
            what = Counter((each.cause, each.detail) for each in lasting).most_common(1)[0][0]

            def began(_: Texts) -> str:
                head = _.ngettext(
                    "{n} monitor can't check the portal since {time}: {names}",
                    "{n} monitors can't check the portal since {time}: {names}",
                    len(lasting),
                ).format(n=len(lasting), time=time, names=names)
                return "\n".join(part for part in (head, reason(_, *what), remedy(_, *what)) if part)

            items = self._services.to_admins(began)
            await self._services.outbox.put(*items, when=lambda: self._services.claims.claim(OUTAGE, since))
            self._outage_since = since
        elif self._outage_since is not None and len(lasting) <= FEW and not self._concerns_all():
            if not any(
                each not in self._lasting and state is MonitorState.WATCHING for each, state in self._states().items()
            ):
                return  # just after a restart of ours it is not known yet
            log.info("outage is over, %d monitors still can't check the portal", len(lasting))
            names = _names([each.username for each in lasting])

            def ended(_: Texts) -> str:
                still = _("The portal works again. Still in trouble: {names}").format(names=names)
                return still if lasting else _("All monitors work again.")

            items = self._services.to_admins(ended)
            await self._services.outbox.put(*items, when=lambda: self._services.claims.take_back(OUTAGE))
            self._outage_since = None

    def _concerns_all(self) -> bool:
        """Say whether all monitors that may check fail for one reason, or one for a reason of this installation's."""
        troubled = {student: each for student, each in self._lasting.items() if not each.resting}
        causes = {each.cause for each in troubled.values()}
        are_alike = len(causes) == 1 and (len(troubled) > 1 or not causes & PERSONAL)
        return bool(causes & OURS) or (are_alike and self._states().keys() <= troubled.keys())

    def _states(self) -> dict[int, MonitorState]:
        """Return the states of the monitors that run and don't rest."""
        registry = self._services.registry
        states = {each: status.state for each in registry.active() if (status := registry.status(each))}
        return {each: state for each, state in states.items() if state is not MonitorState.RESTING}

    async def _show_page(self, username: str, event: StatusEvent) -> None:
        """Send each admin a page that needs a person, once for each kind; one that is known once a day."""
        if event.picture is None:
            return
        now = self._services.clock.now()
        unknown = event.event is Event.UNKNOWN_VIEW
        claim = f"page:{event.kind}" if unknown else f"{event.event.value}:{event.kind}:{now:%Y-%m-%d}"
        folder = self._services.settings.data_dir / UNKNOWN_PAGES
        await asyncio.to_thread(_keep_page, folder, event)

        def text(_: Texts) -> str:
            words = event.text if event.event in (Event.MARK_REFUSED, Event.UNKNOWN_CARD) else event.words
            rest = _("Nothing is pressed on it; I keep checking. Its source is in DATA_DIR, {name}.")
            if event.event is Event.UNKNOWN_CARD:
                what = _("The portal shows {username} a lesson whose button I don't know: {words}.")
            elif event.code in ("NotThePortal", "PortalUnavailable"):
                what = _("Something else than the portal answers at its address, to {username}: {words}.")
            elif unknown:
                what = _("The portal shows {username} a page that I don't know.")
            else:
                what = _("The portal does not let {username} go on.")
                rest = _("The student is told, and I try again less often. The page's source is in DATA_DIR, {name}.")
            text = " ".join((what, rest)) + ("\n{words}" if words and "{words}" not in what else "")
            quoted = f"«{escape(words[:LONGEST_WORDS])}»"
            return text.format(username=escape(username), words=quoted, name=f"unknown-pages/{event.kind}.html")

        items = self._services.to_admins(text, file=f"unknown-pages/{event.kind}.png")
        await self._services.outbox.put(*items, when=lambda: self._services.claims.claim(claim, now))


def _names(usernames: list[str]) -> str:
    """Return the names by the alphabet: in which order monitors fail says nothing."""
    shown = ", ".join(escape(name[:40]) for name in sorted(usernames)[:NAMED])
    return shown + (", …" if len(usernames) > NAMED else "")


def _keep_page(folder: Path, event: StatusEvent) -> None:
    """Write a page's picture and source (0600); delete the oldest ones."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        for suffix, content in ((".png", event.picture or b""), (".html", event.source.encode())):
            replace_file(folder / f"{event.kind}{suffix}", content)  # one may be on its way to an admin
        pages = sorted(folder.iterdir(), key=lambda file: file.stat().st_mtime, reverse=True)
        for old in pages[2 * KEPT_PAGES :]:
            old.unlink()
    except OSError:
        log.exception("an unknown page could not be written")
