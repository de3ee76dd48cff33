"""One pipeline definition, any engine, the same run.

Code that runs inside a step may import what `__all__` names; it is loaded when it is first asked for.
"""

from __future__ import annotations

__version__ = "0.1.0"

__all__ = [
    "get_from_catalog",
    "get_object",
    "get_parameter",
    "get_run_id",
    "get_secret",
    "put_in_catalog",
    "put_object",
    "set_parameter",
    "track_this",
]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from magnus_render.api import (
        get_from_catalog,
        get_object,
        get_parameter,
        get_run_id,
        get_secret,
        put_in_catalog,
        put_object,
        set_parameter,
        track_this,
    )


def __getattr__(name: str) -> object:
    if name in __all__:
        from magnus_render import api

        value: object = getattr(api, name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'magnus_render' has no attribute '{name}'")
