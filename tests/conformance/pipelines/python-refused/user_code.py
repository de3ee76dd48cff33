import sys


class OddError(ValueError):
    pass


def a_list():
    return [1]


def not_json():
    return {"fine": 1, "bad": {1, 2}}


def not_a_number():
    return {"bad": float("nan")}


def bad_name():
    return {1: 2}


def empty_name():
    return {"": 2}


def raises():
    raise OddError("first line\nsecond line")


def leaves():
    sys.exit(3)


def leaves_well():
    sys.exit()
