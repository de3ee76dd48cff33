"""Whatever bytes a file holds: it is used, or refused with diagnostics; never a traceback."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from magnus_render.diagnostics import DefinitionError, format_github, format_json, format_sarif
from magnus_render.graph.load import load, load_parameters
from tests.bad import cases

SEEDS = [
    b"""\
dag:
  name: churn
  max_time: 60
  start_at: fetch
  steps:
    fetch: &f {type: task, command: churn.fetch, retry: {attempts: 2}, catalog: {get: [a], put: ["*"]}, next: regions}
    again: {<<: *f, command_type: shell, command: "echo ${HOME}", secrets: [A], next: regions}
    regions:
      type: map
      iterate_on: regions
      iterate_as: region
      next: both
      on_failure: alert
      branch: &b
        start_at: train
        steps:
          train: {type: task, command_type: python-lambda, command: "lambda x: {'x': x}", next: done}
          done: {type: success}
          failed: {type: fail}
    both: {type: parallel, branches: {left: *b, right: *b}, max_concurrency: 2, next: inner}
    inner: {type: dag, branch: *b, next: publish, executor_config: {argo: {image: x}}}
    publish: {type: as-is, render_string: {bash: "./publish.sh"}, next: success}
    alert: {type: task, command_type: notebook, command: a.ipynb, next: fail}
    success: {type: success}
    fail: {type: fail}
executor: {type: local, config: {max_workers: 2}}
run_log_store: {type: file-system}
""",
    *((cases.FOLDER / f"{name}.yaml").read_bytes() for name in cases.names()),
]
PIECES = [
    b"", b" ", b"  ", b"\n", b"\t", b":", b": ", b"-", b"- ", b"[", b"]", b"{", b"}", b",", b"&a ", b"*a", b"*f", b"*b",
    b"!x ", b"!!int ", b"|\n", b">", b"'", b'"', b"#", b"%", b"<<: *f", b"<<", b"?", b"\xff", b"\x00", b"\xc3\xa9",
    b"null", b"true", b"1", b"-1", b".nan", b"1e999", b"${x}", b"$${", b"---\n", b"...", b"dag", b"type", b"steps",
    b"branch", b"branches", b"config", b"overrides: {local: x}", b"dag_definition: dag.yaml", b"mode_config",
    b"success", b"task", b"map", b"parallel", b"executor_config: [1]", b"\xe2\x80\xa8", b"\r", b"{}", b"[]", b"''",
]  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Return a definition to which a few things have happened."""
    data = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(0, 6))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.sampled_from([0, 0, 1, 1, 2, 5, 20, 200])))
        piece = draw(st.one_of(st.sampled_from(PIECES), st.binary(max_size=4)))
        if draw(st.booleans()) and data:
            other = draw(st.integers(0, len(data)))
            piece += data[other : other + draw(st.integers(0, 60))]
        data = data[:start] + piece + data[end:]
    return data


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("robust"))


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=mutated(), as_config=st.booleans())
def test_never_a_traceback(folder: str, data: bytes, as_config: bool) -> None:
    file = os.path.join(folder, f"{os.getpid()}.yaml")
    with open(file, "wb") as opened:
        opened.write(data)
    for work in (lambda: load(file, file if as_config else None, environ={}), lambda: load_parameters(file)):
        try:
            work()
        except DefinitionError as error:
            assert error.diagnostics
            assert any(item.severity == "error" for item in error.diagnostics)
            for item in error.diagnostics:
                assert item.code.startswith("MR") and item.message and item.column <= len(item.snippet) + 1
            str(error).encode()
            format_json(error.diagnostics).encode()
            format_sarif(error.diagnostics).encode()
            format_github(error.diagnostics).encode()
