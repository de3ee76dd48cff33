"""Writes tests/engines/terraform/schema.json: the part of the schema of Terraform's provider for AWS that bundles use.

The schema is read from the package `cdktf-cdktf-provider-aws`, which is made from what the provider itself says
(`terraform providers schema`). The package is large, so that it is no dependency of the developers: run this by hand, when
a bundle uses another resource, or for a newer version of the provider:

    pip download --no-deps -d /tmp/provider cdktf-cdktf-provider-aws==21.22.1
    python scripts/terraform_schema.py /tmp/provider/*.whl

The form is that of `terraform providers schema -json`. The package does not tell a set from a list, nor whether the provider
fills in an optional attribute: all are lists, and none is filled in but those of `_FILLED_IN`.
"""

from __future__ import annotations

import io
import json
import re
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

RESOURCES = (
    "batch_job_definition",
    "cloudwatch_log_group",
    "cloudwatch_metric_alarm",
    "iam_policy",
    "iam_role",
    "iam_role_policy",
    "iam_role_policy_attachment",
    "scheduler_schedule",
    "sfn_state_machine",
    "sqs_queue",
)
DATA_SOURCES = ("caller_identity", "iam_policy_document", "partition", "region")
TARGET = Path(__file__).parent.parent / "tests" / "engines" / "terraform" / "schema.json"
_FILLED_IN = ("id", "arn", "name", "region", "tags_all")
_LINK = re.compile(r"docs/(?:resources|data-sources)/\w+#(\w+)")
_VERSION = re.compile(r"hashicorp/aws/([\d.]+)/docs")


def main(wheel: str) -> None:
    """Write the schema that a wheel holds."""
    text = _assembly(wheel)
    types: dict[str, Any] = json.loads(text)["types"]
    version = _VERSION.search(text)
    assert version is not None
    found = {
        "version": version[1],
        "resource_schemas": {f"aws_{name}": _of(types, name, name) for name in RESOURCES},
        "data_source_schemas": {f"aws_{name}": _of(types, f"data_aws_{name}", name) for name in DATA_SOURCES},
    }
    TARGET.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _assembly(wheel: str) -> str:
    """Return the description of all types that the package's program holds."""
    with zipfile.ZipFile(wheel) as files:
        (inner,) = (name for name in files.namelist() if name.endswith(".jsii.tgz"))
        with tarfile.open(fileobj=io.BytesIO(files.read(inner))) as packed:
            file = packed.extractfile("package/.jsii")
            assert file is not None
            return file.read().decode()


def _of(types: dict[str, Any], module: str, name: str) -> dict[str, Any]:
    words = "".join(word.capitalize() for word in module.split("_"))
    place = f"@cdktf/provider-aws.{words[0].lower()}{words[1:]}.{words}"
    block = _block(types, types[f"{place}Config"])
    for one in types[place]["properties"]:
        known = _snake(one["name"])
        plain = one["type"].get("primitive") == "string" and not one.get("static")
        if plain and not one["name"].endswith("Input") and known not in block["attributes"]:
            block["attributes"][known] = {"type": "string", "computed": True}
    return block


def _block(types: dict[str, Any], interface: dict[str, Any]) -> dict[str, Any]:
    attributes, blocks = {}, {}
    for one in interface.get("properties", ()):
        docs = one["docs"]
        name = _LINK.search(docs.get("summary", "") + docs.get("remarks", ""))
        if name is None:  # of the tool that the package is for, such as `dependsOn`
            continue
        required = not one.get("optional")
        inner, several = _inner(one["type"])
        if inner is not None:
            nested = {"nesting_mode": "list", "block": _block(types, types[inner])}
            limits = ({"min_items": 1} if required else {}) | ({} if several else {"max_items": 1})
            blocks[name[1]] = nested | limits
        else:
            kind = {"required": True} if required else {"optional": True}
            kind |= {"computed": True} if not required and name[1] in _FILLED_IN else {}
            attributes[name[1]] = {"type": _type(one["type"])} | kind
    return {"attributes": attributes, "block_types": blocks}


def _inner(kind: dict[str, Any]) -> tuple[str | None, bool]:
    """Return the type of a block, None for an attribute, and whether there may be several."""
    kinds = [*kind.get("union", {}).get("types", ()), kind]
    for one in kinds:
        items = one.get("collection", {}).get("elementtype", {})
        for found, several in ((one.get("fqn"), False), (items.get("fqn"), True)):
            if found and found.startswith("@cdktf/provider-aws."):
                return found, several
    return None, False


def _type(kind: dict[str, Any]) -> Any:
    if "union" in kind:
        return _type(next(one for one in kind["union"]["types"] if "fqn" not in one))
    if "collection" in kind:
        outer = {"array": "list", "map": "map"}[kind["collection"]["kind"]]
        return [outer, _type(kind["collection"]["elementtype"])]
    return {"boolean": "bool"}.get(kind["primitive"], kind["primitive"])


def _snake(name: str) -> str:
    return re.sub("([A-Z])", lambda found: f"_{found[1].lower()}", name)


if __name__ == "__main__":
    main(sys.argv[1])
