"""Shared by all bots: the application, one lock per person, the outbox with its rate limiter, languages."""

import os

# python-telegram-bot is changing durations from int to timedelta; unless this is set, every 429 causes a warning.
os.environ.setdefault("PTB_TIMEDELTA", "1")
