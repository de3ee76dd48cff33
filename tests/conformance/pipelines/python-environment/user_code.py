import os


def change():
    assert os.environ["MAGNUS_PRM_greeting"] == "Hello"
    os.environ["MAGNUS_PRM_greeting"] = "World"
    os.environ["MAGNUS_PRM_number"] = "7"
    os.environ["MAGNUS_PRM_version"] = "1.10"
    os.environ["MAGNUS_TRACK_loss_STEP_1"] = "0.5"


def use(greeting, number, version):
    assert (greeting, number, version) == ("World", 7, "1.10")
