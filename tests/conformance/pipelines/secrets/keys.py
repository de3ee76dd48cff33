from magnus_render import get_secret


def use():
    assert get_secret("password") == "hunter 2"
