"""What every bot of ours shares: the application, one lock a person, durable outgoing messages, languages."""

import os

# python-telegram-bot is moving durations from int to timedelta, and warns with every 429 unless told that we know.
os.environ.setdefault("PTB_TIMEDELTA", "1")
