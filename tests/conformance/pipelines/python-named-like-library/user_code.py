import secrets


def of_secrets():
    return {"token": secrets.token()}
