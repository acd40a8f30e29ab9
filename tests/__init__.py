"""The project's tests: unit (pure rules), integration (one adapter), e2e (a person's day with the real bot.py)."""
