"""The models that are explained, and the truth about them."""
