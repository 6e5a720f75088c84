"""Old AWS DeepLens functions, run unchanged."""
