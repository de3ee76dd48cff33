"""Runs for tools of others: lineage, traces, research objects. One module for each format, over one reading of a run."""
