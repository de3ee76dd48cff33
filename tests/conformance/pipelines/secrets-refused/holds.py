import pathlib

from magnus_render import get_secret, put_in_catalog, set_parameter


def text():
    return {"other": 1, "url": f"https://me:{get_secret('TOKEN')}@host"}


def deep():
    return {"deep": [{"a": {get_secret("TOKEN"): 1}}]}


def name():
    return {get_secret("TOKEN"): 1}


def number():
    return {"n": int(get_secret("PIN"))}


def set_before():
    set_parameter(p=get_secret("TOKEN"))
    raise ZeroDivisionError


def api():
    path = pathlib.Path("data", get_secret("TOKEN") + ".txt")
    path.write_text("x")
    put_in_catalog(path)


def fine():
    return {"length": len(get_secret("TOKEN"))}
