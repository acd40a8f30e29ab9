"""The classroom: its two bots in this process, and its packages."""
