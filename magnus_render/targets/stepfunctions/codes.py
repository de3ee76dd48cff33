"""Diagnostic codes of the Step Functions target: MR201 to MR219. The codes of its lint stand in `lint/codes.py`."""

from __future__ import annotations

from magnus_render.diagnostics import explained_beside

explained_beside(__file__)

PLACEHOLDER = "MR201"
NATIVE_STATE = "MR202"
COMPUTE_LIMIT = "MR203"
OVERRIDES = "MR204"
VARIABLE = "MR205"
TAG = "MR206"
NAME = "MR207"
BUNDLE = "MR208"
BUNDLE_SIZE = "MR209"
