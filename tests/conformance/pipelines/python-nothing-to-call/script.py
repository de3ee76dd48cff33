import os

if os.environ.get("MAGNUS_PRM_x") == "2":
    raise ImportError("no more")


def train():
    pass
