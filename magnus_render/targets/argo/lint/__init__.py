"""The check of an Argo manifest before it is printed: `run.verify`."""
