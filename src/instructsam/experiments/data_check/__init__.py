"""What a source of training data holds, and what to doubt about it, before a model is trained on it."""
