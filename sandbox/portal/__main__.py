"""`python -m sandbox.portal` runs it alone."""

from sandbox.portal.server import main

main()
