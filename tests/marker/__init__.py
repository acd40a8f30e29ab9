"""Tests of marker: its conversations in this process, over a strict simulated Telegram."""
