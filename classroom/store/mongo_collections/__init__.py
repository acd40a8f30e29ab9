"""The operations of the MongoDB store, one module for each subject."""
