"""The server: a gRPC front, and the workers behind it."""
