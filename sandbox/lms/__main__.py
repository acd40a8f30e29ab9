"""`python -m sandbox.lms` runs it alone."""

from sandbox.lms.server import main

main()
