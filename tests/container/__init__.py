"""Tests of the image; they need a container engine and minutes, so they run by hand or in CI alone."""
