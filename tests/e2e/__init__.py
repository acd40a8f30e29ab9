"""A person's day with the real bot.py, a real Chrome and Telegram's simulator."""
