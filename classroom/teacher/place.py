"""The question for the class's place: a location shared from a phone, a saved room, or an imprecise location anyway."""

import asyncio
from dataclasses import astuple
from typing import Any

from telegram import Update

from classroom.check_in.evidence import evidence_of
from classroom.domain import location_policy as policy
from classroom.domain.sessions import Place, Session
from classroom.services import Classroom
from classroom.student.texts import refusal_text
from telegram_app.outbox import Button, Item
from telegram_app.people import ConversationStep
from telegram_app.side import SCREEN, below, sender, tapped_data

PLACE = "place"  # name of the conversation step
LONGEST_ROOM, MOST_ROOMS = 40, 12
POOR_FIXES = 2  # after so many poor locations an imprecise one may be used


class PlaceQuestion:
    """Asks a teacher for the place. What it is asked for is kept in the step's data, beside the question's own."""

    def __init__(self, classroom: Classroom) -> None:
        self._classroom = classroom
        self._side = classroom.teacher

    async def ask(self, person: int, title: str, data: dict[str, Any]) -> None:
        """Show the saved rooms, and request a location unless its button is on the screen already."""
        before = await self._side.step(person)
        rooms = await asyncio.to_thread(self._classroom.rooms.of, person)
        await self._show(person, data | {"title": title, "rooms": list(rooms)})
        if before is None or before.name != PLACE:
            await self.request(person)

    async def _show(self, person: int, data: dict[str, Any], *, delete: bool = False, anew: bool = False) -> None:
        """Show the saved rooms, to choose one or (``delete``) to delete one; ``anew``: as a new message below."""
        await self._classroom.set_step(self._side, person, PLACE, data | {"deletes": delete})
        _, limit = self._side.texts(person), self._classroom.settings.location_distance_limit_meters
        what, text, keyboard = "room", _("Where is the class?"), []
        last = [Button(_("Delete a Place"), "forget")] if data["rooms"] else []
        last += [Button(_("Reload"), "open:reload")] if data.get("reload") else []
        last += [Button(_("Back"), "menu")]
        if "session" not in data:
            keyboard = [[Button(_("Without Phones"), "byhand:ask")]]
        if delete:
            what, text, keyboard = "gone", _("Which place should be deleted?"), []
            last = [Button(_("Back"), "rooms")]
        elif data.get("poor_fixes", 0) >= POOR_FIXES:
            keyboard = [[Button(_("Use Anyway"), "anyway")], *keyboard]
            text = _(
                "The location is still imprecise. Share it again, or tap a saved place or {button}: then nobody is"
                " refused for the distance, and students more than {limit} m away wait for you, one by one."
            ).format(button=_("Use Anyway"), limit=f"{limit:g}")
        keyboard = [[Button(name, f"{what}:{at}")] for at, name in enumerate(data["rooms"])] + [*keyboard, last]
        text = f"{data.get('title', '')}\n{text}".strip()
        items = below(person, text, keyboard) if anew else [Item(person, "edit", text, keyboard, slot=SCREEN)]
        await self._side.outbox.put(*items)

    async def request(self, person: int, headline: str = "") -> None:
        """Request a location; only a phone can send it."""
        _ = self._side.texts(person)
        text = _("Share your location with the button below, from your phone, in class.")
        if self._classroom.settings.location_policy == "strict":
            text = refusal_text(_, policy.LocationRefusal.NOT_LIVE, "strict")
        request = self._classroom.location_request(self._side, person, f"{headline}\n{text}".strip())
        await self._side.outbox.put(request)

    async def answered(self, update: Update, step: ConversationStep) -> Place | None:
        """Return the place of a location or a tap; None: it does not count or only changed the question."""
        person, data = sender(update), step.data
        if update.callback_query is None:
            return await self._located(person, update, data)
        what, _colon, number = tapped_data(update).partition(":")
        if what == "anyway":
            return Place(*data["poor"]) if data.get("poor_fixes", 0) >= POOR_FIXES else None
        name = dict(enumerate(data["rooms"])).get(int(number or -1))
        if what == "room":
            return (await asyncio.to_thread(self._classroom.rooms.of, person)).get(name or "")
        if what == "gone" and name is not None and data.get("deletes"):  # a second tap would mean the next place
            await asyncio.to_thread(self._classroom.rooms.remove, person, name)
            data = data | {"rooms": [each for each in data["rooms"] if each != name]}
        await self._show(person, data, delete=what == "forget")
        return None

    async def _located(self, person: int, update: Update, data: dict[str, Any]) -> Place | None:
        message, _ = update.effective_message, self._side.texts(person)
        if message is None:
            return None
        evidence = evidence_of(message)
        refusal = policy.refusal(evidence, self._classroom.clock.now(), self._classroom.settings.location_policy)
        if refusal is None:
            return Place(evidence.latitude, evidence.longitude, evidence.accuracy)
        if update.edited_message is not None:
            return None  # a live location moves every few seconds
        text = refusal_text(_, refusal, self._classroom.settings.location_policy, evidence.accuracy)
        await self._side.outbox.put(self._classroom.location_request(self._side, person, text))
        if refusal in policy.POOR:
            data = data | {"poor": astuple(policy.poor_place(evidence)), "poor_fixes": data.get("poor_fixes", 0) + 1}
            if data["poor_fixes"] >= POOR_FIXES:
                await self._show(person, data, anew=True)
            else:
                await self._classroom.set_step(self._side, person, PLACE, data)
        return None

    async def save(self, session: Session, name: str) -> None:
        """Save a session's place under a name, unless it is deleted or the teacher has too many; tell the teacher."""
        person, name = session.teacher, " ".join(name.split())[:LONGEST_ROOM]
        _ = self._side.texts(person)
        await self._classroom.set_step(self._side, person, "")
        rooms = await asyncio.to_thread(self._classroom.rooms.of, person)
        if session.place is None:
            text = _("The place of this session is deleted already.")
        elif len(rooms) >= MOST_ROOMS and name not in rooms:
            text = _("You have saved too many places already.")
        else:
            await asyncio.to_thread(self._classroom.rooms.save, person, name, session.place)
            text = _("Saved: next time one tap is enough.")
        await self._side.outbox.put(Item(person, "send", text))
