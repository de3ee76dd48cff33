"""The check of a Step Functions definition before it is printed: `run.verify`."""
