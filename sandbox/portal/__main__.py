"""Runs the portal simulator alone: `python -m sandbox.portal`."""

from sandbox.portal.server import main

main()
