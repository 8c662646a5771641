"""From a request's options to how it is explained, and what is refused."""
