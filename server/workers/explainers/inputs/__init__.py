"""From a caller's texts and images to the model's rows, as it is deployed or as the library has it."""
