"""Tests of the documents: their commands, links, lists, and the site."""
