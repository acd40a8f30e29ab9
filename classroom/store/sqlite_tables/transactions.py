"""Decorators that make a method of the store of a function on its connection: each call is one transaction."""

import sqlite3
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
Result = TypeVar("Result")
Work = Callable[Concatenate[sqlite3.Connection, P], Result]


class Transactions(Protocol):
    async def run(self, work: Callable[[sqlite3.Connection], Result], *, writes: bool = True) -> Result:
        """Run some work as one transaction. Raises StoreUnavailable, StoreDamaged."""


Method = Callable[Concatenate[Transactions, P], Coroutine[Any, Any, Result]]


def writes(work: Work[P, Result]) -> Method[P, Result]:
    """Run a function as one transaction that writes."""

    @wraps(work)
    async def method(store: Transactions, /, *arguments: P.args, **options: P.kwargs) -> Result:
        return await store.run(lambda db: work(db, *arguments, **options))

    return method


def reads(work: Work[P, Result]) -> Method[P, Result]:
    """Run a function as one transaction that only reads: it does not wait for writers."""

    @wraps(work)
    async def method(store: Transactions, /, *arguments: P.args, **options: P.kwargs) -> Result:
        return await store.run(lambda db: work(db, *arguments, **options), writes=False)

    return method
