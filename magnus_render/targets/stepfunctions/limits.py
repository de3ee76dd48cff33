"""What Step Functions and the services it calls take at most; of AWS Batch see `executors/aws_batch_rules.py`."""

from __future__ import annotations

DEFINITION_BYTES = 1_048_576
"""Step Functions developer guide, "Quotas"."""
EVENTS = 25_000
"""Events in the history of a standard execution (the same)."""
PAYLOAD_BYTES = 262_144
"""Bytes that a state takes, hands over or assigns (the same)."""
STATE_NAME = 80
"""Characters (Amazon States Language specification, "States")."""
VARIABLE_NAME = 80
"""Characters (developer guide, "Variable name syntax")."""
LABEL = 40
"""Characters of a distributed Map's label (developer guide, "Map state in Distributed mode")."""
INTERVAL = 99_999_999
"""Seconds between attempts, and how many there are (developer guide, "Retrying after an error")."""
DELAY = 31_622_399
"""Seconds that a delay with back-off may grow to (the same)."""
TEMPLATE_BYTES = 51_200
"""Bytes of a CloudFormation template that is handed over directly, not by S3 (CloudFormation user guide, "Quotas")."""
TEMPLATE_ON_S3_BYTES = 1_000_000
"""Bytes of a CloudFormation template that lies on S3 (the same: 1 MB)."""
RESOURCES = 500
"""Resources of a CloudFormation template (the same)."""
PARAMETERS = 200
"""Parameters of a CloudFormation template (the same)."""
INLINE_POLICIES = 10_240
"""Characters of all inline policies of a role, white space not counted (IAM user guide, "IAM and AWS STS quotas")."""
MANAGED_POLICY = 6_144
"""Characters of a managed policy, likewise (the same)."""
ATTACHED = 10
"""Managed policies of a role, unless the account has a higher quota, of at most 25 (the same)."""
FILLED_IN = 64
"""Characters that the value of a parameter is assumed to have at most: the name of a bucket has at most 63."""
LAMBDA_SECONDS = 900
"""Seconds after which Lambda ends a function."""
SAGEMAKER_VALUE = 256
"""Characters of a variable's value in a processing job."""
