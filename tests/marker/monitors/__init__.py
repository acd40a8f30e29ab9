"""marker.monitors."""
