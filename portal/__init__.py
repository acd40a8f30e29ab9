"""The registration portal as one adapter: a Chrome, the page objects, typed errors."""
