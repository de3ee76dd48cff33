import base64
import json
import os
import urllib.parse

from magnus_render import get_secret, track_this


def line():
    raise ValueError("line 2 is " + os.environ["KEY"].splitlines()[1])


def shown():
    raise KeyError(get_secret("TOKEN"))


def as_json():
    raise RuntimeError(json.dumps({"key": get_secret("KEY")}))


def encoded():
    password = get_secret("PASSWORD")
    token = get_secret("TOKEN").encode()
    text = base64.b64encode(token).decode()
    raise RuntimeError(f"{password}{urllib.parse.quote(password)} {text}")


def metrics():
    token = get_secret("TOKEN")
    track_this(text=f"a {token}", list=[1, {token: "x"}], url=f"https://me:{urllib.parse.quote(token)}@host")
