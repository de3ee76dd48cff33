"""Diagnostic codes of rendering: MR100 and above (`magnus explain MR1xx`)."""

from __future__ import annotations

from magnus_render.diagnostics import explained_beside

explained_beside(__file__)

NODE_TYPE = "MR101"
FIELD = "MR102"
EXECUTOR_CONFIG = "MR103"
RENDER_STRING = "MR104"
NOT_VALID = "MR105"
FILE_OUTSIDE = "MR106"
TEMPLATES = "MR107"
STORE = "MR108"
ANOTHER_ENGINE = "MR109"
NO_SECRET = "MR115"
