"""What Argo and Kubernetes take at most."""

from __future__ import annotations

OBJECT_BYTES = 1_048_576
"""Bytes of an object as JSON: Argo's own limit, below that of etcd."""
APPLIED_BYTES = 262_144
"""Bytes of all annotations together. `kubectl apply` keeps the whole object in one of them."""
NAME = 63
"""Characters of an object's name."""
CRON_NAME = 52
"""Characters of a CronWorkflow's name."""
TEMPLATE_NAME = 128
"""Characters of a template's or task's name."""
TEMPLATES = 200
"""Templates in a workflow: `maxItems` of the full CRDs."""
TASKS = 200
"""Tasks in a DAG: `maxItems` of the full CRDs."""
PARAMETERS = 500
"""Parameters in a list: `maxItems` of the full CRDs."""
NESTING = 99
"""Templates within one another: the controller gives up at a depth of 100 (its setting maxStackDepth)."""
