"""marker.tables."""
