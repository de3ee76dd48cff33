"""Exports of runs for other tools: lineage, traces, research objects. There is one module for each format."""
