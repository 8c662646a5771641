"""Texts that are too long for one row: their windows, and how these make up a document."""
