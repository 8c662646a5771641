"""Side by side with transformers-interpret and captum: python -m benchmarks --help."""
