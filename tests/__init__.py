"""Tests, in one package per package of the product; e2e, faults and container run whole processes."""
