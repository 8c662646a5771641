"""What an explainer makes of a request: paths, targets, and how windows make up a document."""
