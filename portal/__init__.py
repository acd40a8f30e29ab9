"""Adapter for the registration portal: Chrome, page objects, rate limits, typed errors."""
