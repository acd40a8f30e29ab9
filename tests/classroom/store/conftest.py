"""Fixtures: a server of MongoDB's protocol, and an empty database in it for each test."""

import secrets
from collections.abc import AsyncIterator, Iterator

import pytest
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase

from classroom.store.documents import Document
from tests.servers import mongo_server


@pytest.fixture(scope="session")
def mongo_uri() -> Iterator[str]:
    """Serve one MongoDB; each test has its own database in it."""
    with mongo_server() as uri:
        yield uri


@pytest.fixture
def database() -> str:
    """Return a database's name."""
    return f"test_{secrets.token_hex(6)}"


@pytest.fixture
async def documents(mongo_uri: str, database: str) -> AsyncIterator[AsyncDatabase[Document]]:
    """Yield the database with the store's raw documents."""
    async with AsyncMongoClient[Document](mongo_uri) as client:
        yield client[database]
