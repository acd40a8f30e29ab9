"""Tests of marker.tables."""
