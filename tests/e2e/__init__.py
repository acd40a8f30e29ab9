"""Tests of the real bot.py with a real Chrome and the Telegram simulator."""
