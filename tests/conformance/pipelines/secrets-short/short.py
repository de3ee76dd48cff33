from magnus_render import get_secret, track_this


def none():
    raise RuntimeError("epoch 1 of 10, dev set, port 8081")


def asked():
    port = int(get_secret("PORT"))
    track_this(port=port)
    return {"port": port}
