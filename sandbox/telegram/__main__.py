"""Runs the Telegram simulator alone: `python -m sandbox.telegram`."""

from sandbox.telegram.server import main

main()
