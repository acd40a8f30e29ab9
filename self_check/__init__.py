"""`python bot.py --check`: tries everything that the bot needs."""
