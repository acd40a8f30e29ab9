"""Simulators of the outside systems: for tests, and for trying the bot out on one machine."""
