"""Tests of marker.monitors."""
