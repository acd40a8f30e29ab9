"""Benchmarks of cost and speed, one command each; docs/measurements.md has the results."""
