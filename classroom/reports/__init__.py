"""Reports of a session, a teacher's history, and registers. Only sending.py and register_sending.py do I/O."""
