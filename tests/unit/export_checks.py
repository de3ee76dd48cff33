"""What holds exports of runs: the models and validators of the projects whose formats they are in."""

from __future__ import annotations

import base64
import importlib
import importlib.metadata
import json
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attr
import pytest

FACETS = {
    "parent": "parent_run:ParentRunFacet",
    "errorMessage": "error_message_run:ErrorMessageRunFacet",
    "executionParameters": "execution_parameters_run:ExecutionParametersRunFacet",
    "jobType": "job_type_job:JobTypeJobFacet",
    "documentation": "documentation_job:DocumentationJobFacet",
    "version": "dataset_version_dataset:DatasetVersionDatasetFacet",
    "inputStatistics": "input_statistics_input_dataset:InputStatisticsInputDatasetFacet",
    "outputStatistics": "output_statistics_output_dataset:OutputStatisticsOutputDatasetFacet",
    "magnus": "base:RunFacet",
}
"""The classes that the project makes of its JSON schemas, by the key of the facet."""


def model(name: str) -> Any:
    module, _, found = name.partition(":")
    return getattr(importlib.import_module(f"openlineage.client.generated.{module}"), found)


def conform(value: Any, kind: Any, place: str) -> None:
    """Fail unless a JSON value is what a class of the project's models says: no field more, none less, each of its type."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        (kind,) = (one for one in arguments if one is not type(None))
        conform(value, kind, place)
    elif origin is list:
        assert isinstance(value, list), place
        for number, one in enumerate(value):
            conform(one, arguments[0], f"{place}[{number}]")
    elif origin is dict:
        for key, facet in value.items():
            conform(facet, model(FACETS[key]), f"{place}.{key}")
    elif attr.has(kind):
        hints = typing.get_type_hints(kind)
        fields = {field.name: field for field in attr.fields(kind) if field.name != "_deleted"}
        free = kind.__name__ == "RunFacet"  # of the facets that others may make
        assert free or value.keys() <= fields.keys(), place
        for name, field in fields.items():
            needed = field.default is attr.NOTHING or name in (
                "_producer",
                "producer",
                "schemaURL",
                "_schemaURL",
            )
            assert name in value or not needed, f"{place}.{name}"
            if name in value:
                conform(value[name], hints[name], f"{place}.{name}")
        for name in {"schemaURL", "_schemaURL"} & fields.keys():
            assert value[name] == kind._get_schema(), place
        if not free:
            kind(**{field.alias: value.get(name) for name, field in fields.items() if field.init})
    elif hasattr(kind, "__members__"):
        assert value in kind.__members__, place
    else:
        assert type(value) is kind, place


def events(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def parsed(text: str) -> Any:
    """Return what the project's protobuf classes make of a text. Their ids are in base64, those of OTLP in hexadecimal."""
    from google.protobuf import json_format
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    def base64_ids(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        ids = ("traceId", "spanId", "parentSpanId")
        return {
            key: base64.b64encode(bytes.fromhex(value)).decode() if key in ids else value
            for key, value in pairs
        }

    (line,) = text.splitlines()
    again = json.dumps(json.loads(line, object_pairs_hook=base64_ids))
    return json_format.Parse(again, ExportTraceServiceRequest())


def spans(text: str) -> list[Any]:
    (resource,) = parsed(text).resource_spans
    (scope,) = resource.scope_spans
    return list(scope.spans)


def attributes(span: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}


def findings(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Yield what the validator of RO-Crates finds. A package has the context of RO-Crate 1.1: no network is asked."""
    import requests
    from rocrate_validator import services
    from rocrate_validator.models import Severity, ValidationSettings
    from rocrate_validator.utils.http import HttpRequester

    context = importlib.metadata.distribution("rocrate").locate_file("rocrate/data/ro-crate.jsonld")

    def get(self: Any, url: str, **options: Any) -> requests.Response:
        assert url == "https://w3id.org/ro/crate/1.1/context"
        response = requests.Response()
        response.status_code, response._content = 200, Path(str(context)).read_bytes()
        response.headers["Content-Type"] = "application/ld+json"
        return response

    monkeypatch.setattr(HttpRequester, "get", get, raising=False)
    monkeypatch.setattr(HttpRequester, "head", get, raising=False)
    settings = ValidationSettings(
        rocrate_uri=str(folder),
        profile_identifier="provenance-run-crate",
        requirement_severity=Severity.REQUIRED,
    )
    yield from (
        f"{issue.check.identifier} {issue.message}" for issue in services.validate(settings).get_issues()
    )
