"""telegram_app: outbox, people, languages, order of updates."""
