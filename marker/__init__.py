"""The marker: the bot through which students have their attendance marked on the registration portal."""
