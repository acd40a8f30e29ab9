"""The simulators, and the sandbox's page."""
