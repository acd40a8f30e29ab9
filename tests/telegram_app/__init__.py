"""Tests of telegram_app: outbox, rate limiter, people, languages, order of updates."""
