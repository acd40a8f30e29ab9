"""The part of ``Store`` about face checks: consents, templates, and the recordings that were used."""

from datetime import datetime
from typing import Any, Protocol

from classroom.domain.face_records import Consent, Template
from classroom.domain.sessions import Binding, Sheet, folded
from classroom.store.records import Records, UsedNote, keyed_hash
from core.encryption import Cipher


class FaceRecords(Records, Protocol):
    cipher: Cipher

    async def sheets(self, session_id: str) -> list[Sheet]: ...

    async def consent(self, telegram_id: int) -> Consent | None:
        return await self.first(Consent, telegram_id=telegram_id)

    async def set_consent(self, consent: Consent) -> None:
        await self.put(consent)

    async def template(self, student_id: str) -> Template | None:
        return await self.first(Template, folded=folded(student_id))

    async def templates_of_class(self, session_id: str, student_id: str, wording: int) -> list[Template]:
        """Return the templates of a student's classmates in a session who agreed to be compared with the class.

        ``wording`` is the current version of the consent text. Whose roster does not allow a face is left out.
        """
        roster = [student for sheet in await self.sheets(session_id) for student in sheet.roster]
        refused = {folded(each.student_id) for each in roster if not each.face_allowed}
        ids = {folded(each.student_id) for each in roster} - refused - {folded(student_id)}
        bound = await self.every(Binding, folded__in=tuple(sorted(ids)), telegram_id__ne=None)
        agreed: dict[str, Any] = {"given": True, "with_class": True, "wording": wording}
        consents = await self.every(Consent, telegram_id__in=tuple(each.telegram_id for each in bound), **agreed)
        people = {each.telegram_id for each in consents}
        ids = {folded(each.student_id) for each in bound if each.telegram_id in people}
        return await self.every(Template, "folded", folded__in=tuple(sorted(ids)))

    async def save_template(self, template: Template) -> None:
        await self.put(template)

    async def remove_template(self, student_id: str) -> None:
        await self.delete(Template, folded=folded(student_id))

    async def remove_templates(self, made_before: datetime) -> list[str]:
        """Delete the templates and consents made before then (the term's end); return the templates' student IDs."""
        old = [each.student_id for each in await self.every(Template, "folded", made_at__lt=made_before)]
        # one by one, so that exactly those that were deleted are returned
        gone = [each for each in old if await self.delete(Template, folded=folded(each), made_at__lt=made_before)]
        await self.delete(Consent, at__lt=made_before)
        return gone

    async def claim_note(self, fingerprint: str, owner: str, at: datetime) -> bool:
        """Claim a recording (its file_unique_id, or a hash of it) for a check; False: another check has used it."""
        note = UsedNote(fingerprint, keyed_hash(f"check {owner}", self.cipher.digest), at)
        return (await self._kept(note, fingerprint=fingerprint)).owner == note.owner
