def days():
    return {"days": 5}
