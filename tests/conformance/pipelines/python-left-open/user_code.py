import json
import os
import sys

os.makedirs("data", exist_ok=True)


class Holder:
    pass


def write():
    global kept
    kept = open("data/module.txt", "w")
    kept.write("held by the module")
    Holder.rows = open("data/rows.csv", "w")
    Holder.rows.write("a,b\n1,2\n")
    json.JSONEncoder.kept = open("data/library.txt", "w")
    json.JSONEncoder.kept.write("held by a class that was there before")
    sys.exit(0)


def check():
    with open("data/module.txt") as file:
        assert file.read() == "held by the module"
    with open("data/library.txt") as file:
        assert file.read() == "held by a class that was there before"
    with open("data/rows.csv") as file:
        return {"rows": len(file.readlines())}
