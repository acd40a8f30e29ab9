"""Runs the LMS simulator alone: `python -m sandbox.lms`."""

from sandbox.lms.server import main

main()
