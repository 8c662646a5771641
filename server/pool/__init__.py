"""Worker processes as the front sees them."""
