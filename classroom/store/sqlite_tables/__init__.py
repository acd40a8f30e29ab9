"""The statements of the SQLite store, one module for each subject."""
