"""Pictures and video notes for tests, drawn from portraits that ship inside packages."""
