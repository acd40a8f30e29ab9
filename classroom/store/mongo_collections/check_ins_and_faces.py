"""Check-ins and faces in MongoDB; for the methods see ``Store``."""

from datetime import datetime

from classroom.domain.sessions import folded
from classroom.store.mongo_connection import MongoConnection, asks
from classroom.store.plain import text_of


class CheckInsAndFaces(MongoConnection):
    @asks
    async def remove_template(self, student_id: str) -> None:
        await self.collection("templates").delete_one({"_id": folded(student_id)})

    @asks
    async def remove_templates(self, made_before: datetime) -> list[str]:
        before, templates = text_of(made_before), self.collection("templates")
        old = [each["_id"] async for each in templates.find({"made_at": {"$lt": before}}, ["_id"])]
        gone = []
        # one by one, so that exactly those that were deleted are returned
        for key in sorted(old):
            document = await templates.find_one_and_delete({"_id": key, "made_at": {"$lt": before}})
            if document is not None:
                gone.append(document["student_id"])
        await self.collection("consents").delete_many({"at": {"$lt": before}})
        return gone
