from enum import Enum
from pathlib import Path


class Size(Enum):
    LARGE = "large"


def takes(commit: str, version: str, number: int):
    return {
        "commit": repr(commit),
        "version": repr(version),
        "count": repr(number),
        "path": Path("a/b"),
        "size": Size.LARGE,
    }


def refuses(many: int):
    pass
