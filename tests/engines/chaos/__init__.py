"""A scheduler that goes wrong: its jobs are processes of this machine, which it kills, loses and doubles.

`scheduler.py` is the scheduler, `submitter.py` what a job knows of it. A job is `ID.job` in a folder, with all that it was
submitted with; how it stands is in `ID.state`. So any number of processes submit, and one starts what is due.
"""
