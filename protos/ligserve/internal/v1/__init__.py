"""Messages between the front and its worker processes. Not public."""
