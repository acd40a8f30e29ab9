"""The marker: its conversations in this process over a strict Telegram."""
