"""Argo 4's own schemas, as models of PyPI's `hera`, which are generated from Argo's OpenAPI document."""

from __future__ import annotations

import importlib.util
import json
from typing import Any

ARGO = "4.0.5"


def missing() -> str | None:
    """Return why the schemas of Argo 4 cannot be had here, if they cannot."""
    if importlib.util.find_spec("hera") is None:
        return "hera is not installed"
    from hera.workflows import models

    if f"/v{ARGO}/" not in (models.__doc__ or ""):
        return f"hera's models are not those of Argo {ARGO}"
    return None


def complaints(value: Any) -> list[str]:
    """Return what the schema of Argo 4 has against an object: fields it does not know, or of another type."""
    from hera.workflows import models
    from pydantic import BaseModel, ValidationError

    kinds: dict[str, type[BaseModel]] = {
        "Workflow": models.Workflow,
        "WorkflowTemplate": models.WorkflowTemplate,
        "ClusterWorkflowTemplate": models.ClusterWorkflowTemplate,
        "CronWorkflow": models.CronWorkflow,
    }
    model = kinds.get(value.get("kind"))
    if model is None:
        return []
    try:
        # By alias only: hera's own names for fields are not Argo's.
        model.model_validate_json(
            json.dumps(value), strict=True, extra="forbid", by_alias=True, by_name=False
        )
    except ValidationError as error:
        return [
            f"argo {ARGO}: {'.'.join(map(str, each['loc']))}: {each['msg']}"
            for each in error.errors(include_url=False)
        ]
    return []
