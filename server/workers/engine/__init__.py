"""The engine: points of many requests, packed into batches."""
