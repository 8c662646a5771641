"""Loaded checkpoints: weights, tokenizer, embedding layers, and what can be asked of them."""
