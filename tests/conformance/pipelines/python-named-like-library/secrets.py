def token():
    return "mine"
