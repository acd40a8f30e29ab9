"""Messages about lasting errors: to the student after five minutes and when the error is over; to the admin one for an
outage of many monitors, one for monitors that failed together, and one with a picture for an unknown page.
"""

import asyncio
import functools
import logging
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from pathlib import Path

from lessons.events import Event, StatusEvent
from marker.menu import clock_time
from marker.services import Services
from portal.errors import SignInFailed
from telegram_app.i18n import Texts
from telegram_app.outbox import NOTICE, Item

log = logging.getLogger(__name__)

TOLD_AFTER = timedelta(minutes=5)
# Monitors that fail within this time are one message to the admin.
GATHERED_FOR = timedelta(seconds=30)
MANY = 3  # students with a lasting error at once are an outage
FEW = 1  # or none: then the outage is over, and this student has a problem of their own
OUTAGE = "outage"  # the claim's key while the admin knows of an outage
NAMED = 5  # usernames in the admin's message
KEPT_PAGES = 10  # pictures and sources of unknown pages on disk
LONGEST_WORDS = 300  # characters of the portal's message


@dataclass
class _Lasting:
    """An error that lasts: since when, and its latest text."""

    username: str
    since: datetime
    words: str
    told: bool = False  # the student got a message
    resting: bool = False  # nothing is checked now; the next check shows whether it is over


class Troubles:
    """Gets every status event; ``check`` is called each second."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._lasting: dict[int, _Lasting] = {}
        self._failed: list[tuple[str, str]] = []  # usernames of monitors that failed, with the error
        self._gathering_since: datetime | None = None
        self._outage_since: datetime | None = None
        self._one_at_a_time = asyncio.Lock()  # the message about an error is sent before the one about its end

    async def load(self) -> None:
        """Load the errors that a previous process reported and that are not over; once, before the monitors start."""
        kept = await asyncio.to_thread(self._services.watches.all)
        for student in self._services.storage.students():
            watch = kept.get(student.telegram_id)
            if student.monitoring and watch is not None and watch.told_since is not None:
                lasting = _Lasting(student.username, watch.told_since, watch.trouble_text, told=True)
                self._lasting[student.telegram_id] = lasting
        self._outage_since = await asyncio.to_thread(self._services.claims.at, OUTAGE)

    async def on_status(self, student: int, username: str, event: StatusEvent) -> None:
        async with self._one_at_a_time:
            lasting = self._lasting.get(student)
            match event.event:
                case Event.TROUBLE | Event.UNKNOWN_VIEW:
                    if lasting is None:
                        lasting = self._lasting[student] = _Lasting(username, self._services.clock.now(), event.text)
                    lasting.words, lasting.resting = event.text, False
                    if event.lasting and not lasting.told:
                        await self._tell_lasting(student, lasting, event)
                        lasting.told = True
                    await self._show_page(username, event)
                case Event.MARK_REFUSED:
                    await self._show_page(username, event)
                case Event.WATCHING if lasting is not None and not event.lasting:
                    if lasting.told:
                        await self._tell_over(student)
                    self._lasting.pop(student, None)
                case Event.RESTING if lasting is not None:
                    lasting.resting = True  # it may not be over
                    if not lasting.told:
                        del self._lasting[student]
                case Event.STOPPED | Event.REFUSED | Event.BLOCKED | Event.NO_BROWSER | Event.FAILED:
                    self._lasting.pop(student, None)  # the end has a message of its own
                    await asyncio.to_thread(self._services.watches.claim_relief, student)

    def failed(self, username: str, event: StatusEvent) -> None:
        """Keep the failure of a monitor; the admin gets one message about all of them."""
        self._failed.append((username, event.text or event.event.value))
        self._gathering_since = self._gathering_since or self._services.clock.now()

    async def check(self) -> None:
        """Send the messages that are due."""
        async with self._one_at_a_time:
            now = self._services.clock.now()
            for student, lasting in list(self._lasting.items()):
                if not lasting.told and now - lasting.since >= TOLD_AFTER:
                    await self._tell_lasting(student, lasting)
                    lasting.told = True
            if self._gathering_since is not None and now - self._gathering_since >= GATHERED_FOR:
                await self.tell_gathered()
            await self._check_outage(now)

    async def tell_gathered(self) -> None:
        """Send the message about failed monitors, without waiting for more: also at the end of the process."""
        if failed := list(self._failed):
            await self._tell_failed(failed)
        self._failed = self._failed[len(failed) :]
        self._gathering_since = self._services.clock.now() if self._failed else None

    def long_troubled(self) -> int:
        """Return how many monitors have an error that lasts for five minutes or longer."""
        now = self._services.clock.now()
        return sum(now - each.since >= TOLD_AFTER and not each.resting for each in self._lasting.values())

    async def _tell_lasting(self, student: int, lasting: _Lasting, event: StatusEvent | None = None) -> None:
        _ = self._services.texts(student)
        since = lasting.since.astimezone(self._services.settings.zone).strftime("%H:%M")
        words = escape(lasting.words[:LONGEST_WORDS])
        reason = _("The portal has not answered since {time} ({words}).").format(time=since, words=words)
        todo = _(
            "I keep trying and will tell you when it works again. If a lesson is open, mark it on the portal yourself."
        )
        if event is not None and event.code == SignInFailed.__name__:
            answer = f" «{escape(event.words[:LONGEST_WORDS])}»" if event.words else ""
            reason = _("I can't sign in to the portal: its form does nothing, or comes back.") + answer
            todo = _(
                "So that your account is not locked I try only now and then, and will tell you when it works again. "
                "If a lesson is open, mark it on the portal yourself."
            )
        text = f"{reason}\n{todo}"
        item = Item(student, "send", f"<b>[{escape(lasting.username)}]</b> {text}", lane=NOTICE)
        claim = functools.partial(self._services.watches.claim_trouble, student, lasting.since)
        if await self._services.outbox.put(item, when=claim):
            log.info("person %d: trouble since %s, to be told", student, lasting.since.isoformat(timespec="seconds"))

    async def _tell_over(self, student: int) -> None:
        _ = self._services.texts(student)
        text = _("The portal works again, and monitoring goes on.")
        item = Item(student, "send", text, lane=NOTICE)
        if await self._services.outbox.put(item, when=lambda: self._services.watches.claim_relief(student)):
            log.info("person %d: trouble is over, to be told", student)

    async def _tell_failed(self, failed: list[tuple[str, str]]) -> None:
        def text(_: Texts) -> str:
            if len(failed) == 1:
                username, reason = failed[0]
                return _("The monitor of {username} has stopped: {reason}").format(
                    username=escape(username), reason=escape(reason[:LONGEST_WORDS])
                )
            counted = Counter(reason for _name, reason in failed).most_common(3)
            head = _.ngettext("{n} monitor has stopped: {names}", "{n} monitors have stopped: {names}", len(failed))
            head = head.format(n=len(failed), names=_names([name for name, _reason in failed]))
            return head + "".join(f"\n{count} x {escape(reason[:LONGEST_WORDS])}" for reason, count in counted)

        await self._services.outbox.put(*self._services.to_admins(text))

    async def _check_outage(self, now: datetime) -> None:
        """Tell the admin once of an outage, and once that it is over, also across restarts of ours."""
        lasting = [each for each in self._lasting.values() if now - each.since >= TOLD_AFTER]
        if self._outage_since is None and len(lasting) >= MANY:
            since = min(each.since for each in lasting)
            log.warning("outage: %d monitors have had no answer from the portal since %s", len(lasting), since)
            time, names = clock_time(self._services, since, now), _names([each.username for each in lasting])
            words = Counter(each.words for each in lasting).most_common(1)[0][0]

            def began(_: Texts) -> str:
                head = _.ngettext(
                    "{n} monitor has had no answer from the portal since {time}: {names}",
                    "{n} monitors have had no answer from the portal since {time}: {names}",
                    len(lasting),
                )
                return head.format(n=len(lasting), time=time, names=names) + f"\n{escape(words[:LONGEST_WORDS])}"

            items = self._services.to_admins(began)
            await self._services.outbox.put(*items, when=lambda: self._services.claims.claim(OUTAGE, since))
            self._outage_since = since
        elif self._outage_since is not None and len(lasting) <= FEW:
            log.info("outage is over, %d monitors still have no answer from the portal", len(lasting))
            names = _names([each.username for each in lasting])

            def ended(_: Texts) -> str:
                still = _("The portal works again. Still in trouble: {names}").format(names=names)
                return still if lasting else _("All monitors work again.")

            items = self._services.to_admins(ended)
            await self._services.outbox.put(*items, when=lambda: self._services.claims.take_back(OUTAGE))
            self._outage_since = None

    async def _show_page(self, username: str, event: StatusEvent) -> None:
        """Send each admin a page that needs a person, once for each kind; one that is known once a day."""
        if event.picture is None:
            return
        now = self._services.clock.now()
        unknown = event.event is Event.UNKNOWN_VIEW
        claim = f"page:{event.kind}" if unknown else f"{event.event.value}:{event.kind}:{now:%Y-%m-%d}"
        folder = self._services.settings.data_dir / "unknown-pages"
        await asyncio.to_thread(_keep_page, folder, event)

        def text(_: Texts) -> str:
            what = _(
                "The portal does not let {username} go on. The student is told, and I try again less often. The page's"
                " source is in DATA_DIR, {name}."
            )
            if unknown:
                what = _(
                    "The portal shows {username} a page that I don't know. Nothing is pressed on it; I look again"
                    " every few minutes. Its source is in DATA_DIR, {name}."
                )
            what = what.format(username=escape(username), name=f"unknown-pages/{event.kind}.html")
            words = event.text if event.event is Event.MARK_REFUSED else event.words
            return what + (f"\n«{escape(words[:LONGEST_WORDS])}»" if words else "")

        items = self._services.to_admins(text, file=f"unknown-pages/{event.kind}.png")
        await self._services.outbox.put(*items, when=lambda: self._services.claims.claim(claim, now))


def _names(usernames: list[str]) -> str:
    shown = ", ".join(escape(name[:40]) for name in usernames[:NAMED])
    return shown + (", …" if len(usernames) > NAMED else "")


def _keep_page(folder: Path, event: StatusEvent) -> None:
    """Write a page's picture and source (0600); delete the oldest ones."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        for suffix, content in ((".png", event.picture or b""), (".html", event.source.encode())):
            file = folder / f"{event.kind}{suffix}"
            file.touch(mode=0o600)
            file.write_bytes(content)
        pages = sorted(folder.iterdir(), key=lambda file: file.stat().st_mtime, reverse=True)
        for old in pages[2 * KEPT_PAGES :]:
            old.unlink()
    except OSError:
        log.exception("an unknown page could not be written")
