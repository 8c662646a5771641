"""What is found out about a model by trying it once, when it is loaded."""
