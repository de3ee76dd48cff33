"""Diagnostic codes of the check of Argo manifests: MR320 to MR379 (`magnus explain MR3xx`).

What is rendered passes these checks; where one fails, the native template of an `as-is` node, the configuration, a
template given by `--templates` or the size of the pipeline is the reason.
"""

from __future__ import annotations

from magnus_render.diagnostics import explained_beside

explained_beside(__file__)

OBJECT = "MR320"
OBJECT_NAME = "MR321"
METADATA = "MR322"
FIELD = "MR323"
VALUE = "MR324"
REQUIRED = "MR325"
TEMPLATE_NAME = "MR326"
TEMPLATE_TYPE = "MR327"
REFERENCE = "MR328"
TASK_NAME = "MR329"
EXCLUSIVE = "MR330"
DEPENDS = "MR331"
CYCLE = "MR332"
LEAVES = "MR333"
BARE = "MR334"
SKIPPED = "MR335"
ANCESTOR = "MR336"
PARAMETER = "MR337"
INPUT = "MR338"
TAG = "MR339"
ITEM = "MR340"
TEXT = "MR341"
EXPRESSION = "MR342"
WITH_PARAM = "MR343"
IMAGE = "MR344"
COMMAND = "MR345"
ENVIRONMENT = "MR346"
KEY_REF = "MR347"
VARIABLE = "MR348"
VOLUME = "MR349"
RESOURCES = "MR350"
RETRY = "MR351"
RETRY_POLICY = "MR352"
DURATION = "MR353"
SCHEDULE = "MR354"
CHOICE = "MR355"
SIZE = "MR356"
COUNT = "MR357"
APPLY_SIZE = "MR358"
CALLED = "MR359"
DEPTH = "MR360"
PATCH = "MR361"
WHEN = "MR362"
BRANCHES = "MR363"
