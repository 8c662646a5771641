"""Requests on their way through the engine, and what the front hears of them."""
