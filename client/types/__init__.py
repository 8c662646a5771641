"""What a client returns: frozen dataclasses, each read from its message by `from_proto`."""
