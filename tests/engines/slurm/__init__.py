"""Slurm on one machine, for tests: its own controller, and nodes that are daemons of this machine, without systemd.

`cluster` starts one, in a folder and on ports of its own, and ends all of it.
"""
