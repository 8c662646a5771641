"""Explanations for people: tables of HTML, and colours on a terminal."""
