"""The user API under its other name: `from magnus import get_parameter, ...`, inside a step.

A step may run a Python that has no magnus-render of its own (another environment, a notebook's kernel). The package beside
this file serves it too: it needs nothing but the standard library.
"""

from __future__ import annotations

import importlib.util
import os
import sys

if importlib.util.find_spec("magnus_render") is None:
    _folder = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    _spec = importlib.util.spec_from_file_location(
        "magnus_render", os.path.join(_folder, "__init__.py"), submodule_search_locations=[_folder]
    )
    assert _spec is not None and _spec.loader is not None
    sys.modules["magnus_render"] = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(sys.modules["magnus_render"])

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
from magnus_render.older_api import get_experiment_tracker_context, get_run_log, get_tag, store_parameter

__all__ = [
    "get_experiment_tracker_context",
    "get_from_catalog",
    "get_object",
    "get_parameter",
    "get_run_id",
    "get_run_log",
    "get_secret",
    "get_tag",
    "put_in_catalog",
    "put_object",
    "set_parameter",
    "store_parameter",
    "track_this",
]
