"""`magnus plan`: how two definitions differ and why, and which steps a run would take over from an earlier one.

It reads definitions and records, and runs no code of the pipeline.
"""
