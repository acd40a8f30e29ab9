"""A strict simulator of the Telegram Bot API server."""
