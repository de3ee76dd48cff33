from magnus_render import get_secret


def use():
    assert get_secret("password") == "hunter 2"


def absent():
    get_secret("absent")
