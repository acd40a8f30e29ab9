"""`python -m sandbox.telegram` runs it alone."""

from sandbox.telegram.server import main

main()
