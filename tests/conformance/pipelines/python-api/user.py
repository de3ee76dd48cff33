import os

from magnus_render import (
    get_from_catalog,
    get_parameter,
    get_run_id,
    put_in_catalog,
    set_parameter,
    track_this,
)


def one():
    assert get_parameter("given") == {"a": 1}
    assert get_run_id() == os.environ["MAGNUS_RUN_ID"]
    set_parameter(made=[1, 2], given=2)
    track_this(score=1)
    track_this(score=2, curve=[0.5])
    os.makedirs("data", exist_ok=True)
    with open("data/mine.txt", "w") as file:
        file.write("mine")
    put_in_catalog("mine.txt")


def two():
    from magnus import get_parameter as old_get_parameter

    assert old_get_parameter("made") == [1, 2]
    get_from_catalog("mine.txt")
    with open("data/mine.txt") as file:
        assert file.read() == "mine"
    return {"two": get_parameter("given")}
