"""Diagnostic codes of the check of Step Functions definitions: MR220 to MR259 (`magnus explain MR2xx`).

What is rendered passes these checks; where one fails, an `as-is` node's own state, a template given by `--templates`
or the size of the pipeline is the reason.
"""

from __future__ import annotations

from magnus_render.diagnostics import explained_beside

explained_beside(__file__)

MACHINE = "MR220"
TARGET = "MR221"
UNREACHABLE = "MR222"
NO_END = "MR223"
STATE_NAME = "MR224"
STATE_NAME_TWICE = "MR225"
TRANSITION = "MR226"
STATE_TYPE = "MR227"
FIELD = "MR228"
REQUIRED = "MR229"
VALUE = "MR230"
NO_DEFAULT = "MR231"
RESOURCE = "MR232"
ERROR_NAMES = "MR233"
RETRIER = "MR234"
TIMEOUT = "MR235"
MAP_MODE = "MR236"
QUERY_LANGUAGE = "MR237"
EXPRESSION = "MR238"
TOP_LEVEL = "MR239"
STATES_FIELD = "MR240"
UNDEFINED = "MR241"
VARIABLE_NAME = "MR242"
VARIABLE_TWICE = "MR243"
MEMBER = "MR244"
MEMBER_MISSING = "MR245"
MEMBER_VALUE = "MR246"
OVERRIDES = "MR247"
DEFINITION_SIZE = "MR248"
HISTORY = "MR249"
HISTORY_ITEMS = "MR250"
PAYLOAD = "MR251"
CONDITIONAL = "MR252"
BRANCH = "MR253"
