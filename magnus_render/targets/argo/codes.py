"""Diagnostic codes of the Argo target: MR301 to MR319. The codes of its lint stand in `lint/codes.py`."""

from __future__ import annotations

from magnus_render.diagnostics import explained_beside

explained_beside(__file__)

PLACEHOLDER = "MR301"
NATIVE_TEMPLATE = "MR302"
WHOLE_PIPELINE = "MR303"
NOT_EXACT = "MR304"
SCHEDULE = "MR305"
VARIABLE = "MR306"
NO_EFFECT = "MR307"
NATIVE_SECRETS = "MR308"
HIDDEN_STORE = "MR309"
BUNDLE = "MR310"
