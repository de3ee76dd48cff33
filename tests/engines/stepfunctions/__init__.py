"""AWS Step Functions, Batch, ECS and S3 on 127.0.0.1: an interpreter for state machines whose jobs are real processes.

The interpreter is the one in moto, with what was left out of it put back (`fixes`). A server process (`server`) holds
it; a test talks to it through `client.Client`, which starts it when it is first needed and ends it with the test run.
"""
