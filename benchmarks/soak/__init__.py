"""A server under many mixed requests, and under many calls that are cancelled."""
