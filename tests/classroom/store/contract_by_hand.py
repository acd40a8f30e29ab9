"""The contract of ``Store`` about marks of a whole class, and about lessons that are taken by hand."""

import asyncio
from dataclasses import replace
from datetime import date

import pytest

from classroom.domain.sessions import Session, Status
from classroom.store import NoSuchSession, SessionExists, Store
from tests.classroom.store.contract import CODE, NOW, a_session, after, mark, opened, shared_by_two, sheets_of


async def by_hand(store: Store, name: str = "b" * 12, date: str = "2026-09-01", **changes: object) -> Session:
    """Store a lesson without phones."""
    session = a_session(name, ["CS-1"], date=date, without_phones=True, place=None, **changes)
    assert await store.create_session(session, sheets_of(session), None, session.closes_at)
    return session


class ByHandContract:
    """The tests; each store's test module has a fixture ``store``, open and empty."""

    async def test_whole_class(self, store: Store) -> None:
        """A class is marked in one version of each sheet; marks that exist stay, and a repeat changes nothing."""
        session = await opened(store)
        await store.mark(session.id, mark("CS-1-b00", Status.LATE), overwrite=False)
        wanted = [mark(f"cs-{batch}-B{at:02}", by=7, reason="by hand") for batch in (1, 2) for at in range(3)]
        changed = await store.mark_all(session.id, wanted, overwrite=False)
        assert changed == {each.student_id for each in wanted[1:]}
        one, other = await store.sheets(session.id)
        assert (one.version, other.version) == (2, 1)
        assert one.marks["CS-1-b00"] == mark("CS-1-b00", Status.LATE)
        assert one.marks["CS-1-b01"] == mark("CS-1-b01", by=7, reason="by hand")
        assert sorted(other.marks) == ["CS-2-b00", "CS-2-b01", "CS-2-b02"]
        assert await store.mark_all(session.id, wanted, overwrite=False) == set()
        assert await store.mark_all(session.id, [], overwrite=True) == set()
        assert [each.version for each in await store.sheets(session.id)] == [2, 1]

    async def test_overwritten(self, store: Store) -> None:
        """With ``overwrite`` the class gets the new marks; of equal ones nothing changes."""
        session = await opened(store)
        await store.mark_all(session.id, [mark("CS-1-b00", by=7), mark("CS-1-b01", by=7)], overwrite=False)
        marks = [mark("CS-1-b00", by=7), mark("CS-1-b01", Status.ABSENT, 7), mark("CS-1-b02", Status.ABSENT, 7)]
        assert await store.mark_all(session.id, marks, overwrite=True) == {"CS-1-b01", "CS-1-b02"}
        one, _other = await store.sheets(session.id)
        assert (one.version, one.status_of("CS-1-b00")) == (2, Status.PRESENT)
        assert await store.mark_all(session.id, marks, overwrite=True) == set()

    async def test_class_with_a_stranger(self, store: Store) -> None:
        """Of marks of which one is for nobody on the rosters, none is stored; nor in a session that is not there."""
        session = await opened(store)
        for name, ids in ((session.id, ["CS-1-b00", "stranger"]), ("nothing", ["CS-1-b00"])):
            with pytest.raises(NoSuchSession):
                await store.mark_all(name, [mark(each) for each in ids], overwrite=True)
        assert [(each.version, each.marks) for each in await store.sheets(session.id)] == [(0, {}), (0, {})]

    async def test_class_in_two_batches(self, store: Store) -> None:
        """A student of two batches is marked in both, as each roster writes the ID."""
        session = await shared_by_two(store)
        assert await store.mark_all(session.id, [mark("S-1"), mark("CS-7-b00")], overwrite=False) == {"S-1", "CS-7-b00"}
        marked = [(sheet.batch, set(sheet.marks), sheet.version) for sheet in await store.sheets(session.id)]
        assert marked == [("CS-7", {"CS-7-b00"}, 1), ("CS-8", {"S-1"}, 1), ("CS-9", {"s-1"}, 1)]

    async def test_class_while_students_check_in(self, store: Store) -> None:
        """A class that is marked while students check in loses no mark, and overwrites none."""
        session = await opened(store, a_session(batches=["CS-1"]), students=20)
        ids = [f"CS-1-b{at:02}" for at in range(20)]
        check_ins = [store.mark(session.id, mark(each, Status.LATE), overwrite=False) for each in ids[::2]]
        classes = [store.mark_all(session.id, [mark(each, by=7) for each in ids], overwrite=False) for _ in range(2)]
        late, present = await asyncio.gather(asyncio.gather(*check_ins), asyncio.gather(*classes))
        (sheet,) = await store.sheets(session.id)
        statuses = [sheet.marks[each].status for each in ids]
        assert sum(late) == statuses.count(Status.LATE)
        assert sum(map(len, present)) == statuses.count(Status.PRESENT)
        assert sheet.version == sum(late) + sum(bool(each) for each in present)

    async def test_without_phones(self, store: Store) -> None:
        """A lesson without phones has no code, is not reopened with one, and ends as every other."""
        session = await by_hand(store, closes_at=after(3600))
        assert await store.session(session.id) == session
        assert (await store.code(session.id, NOW), await store.session_by_code(CODE, NOW)) == (None, None)
        assert await store.end_session(session.id, after(60)) is not None
        assert await store.reopen(session.id, CODE, after(120), after(61)) is None
        assert (await store.code(session.id, after(61)), await store.session_by_code(CODE, after(61))) == (None, None)
        kept = await store.session(session.id)
        assert kept is not None
        assert (kept.ended_at, kept.reopened_at) == (after(60), None)

    async def test_lessons_of_other_days(self, store: Store) -> None:
        """A lesson of yesterday that is taken today stands among those of yesterday, for teachers and students."""
        dates = {"a": "2026-08-31", "b": "2026-09-01", "c": "2026-08-30"}
        for at, (name, day) in enumerate(dates.items()):
            session = await by_hand(store, name * 12, day, opened_at=after(at), closes_at=after(3600))
            await store.end_session(session.id, after(60))
        days = date(2026, 8, 30), date(2026, 12, 31)
        assert [each.date for each in await store.lessons(7, *days)] == sorted(dates.values())
        found = await store.attended("CS-1-b00", 2)
        assert [each.date for each, _mark in found] == ["2026-09-01", "2026-08-31"]
        again = replace(a_session("d" * 12, ["CS-1"]), date="2026-08-31", without_phones=True)
        with pytest.raises(SessionExists):
            await store.create_session(again, sheets_of(again), None, again.closes_at)
