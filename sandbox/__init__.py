"""Simulators of Telegram, the portal and the LMS, for tests and for trying the bot on one machine."""
