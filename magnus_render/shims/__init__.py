"""The folder that steps have on their path, so that `from magnus import get_parameter` works there."""
