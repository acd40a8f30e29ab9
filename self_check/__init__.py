"""`python bot.py --check`: tests everything that the bot needs."""
