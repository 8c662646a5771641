"""Which functions of a model's output a request means, and what the header says of that output."""
