"""The Step Functions target: what becomes of nodes, names, values and configuration."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from magnus_render.diagnostics import DefinitionError
from magnus_render.render.pipeline import render
from magnus_render.targets.stepfunctions import jsonata
from magnus_render.targets.stepfunctions.names import job_name
from tests.tools import environment, require, unavailable
from tests.unit.stepfunctions_rendering import (
    EXECUTOR,
    STORES,
    command,
    config,
    dag,
    errors,
    graph,
    machine,
    made,
    task,
)


def test_a_step_more_changes_only_its_neighbour(tmp_path: Path) -> None:
    before = machine(tmp_path, graph(a=task("b"), b=task()))["States"]
    after = machine(tmp_path, graph(a=task("c"), c=task("b"), b=task()))["States"]
    changed = {name for name in after if before.get(name) != after[name]}
    assert changed == {"run: start", "a", "c"}  # the start holds the hash of the definition


@pytest.mark.parametrize(
    ("retry", "fields"),
    [
        ({"attempts": 3}, {"MaxAttempts": 2, "IntervalSeconds": 1, "BackoffRate": 1}),
        ({"attempts": 2, "delay": 0.2}, {"MaxAttempts": 1, "IntervalSeconds": 1, "BackoffRate": 1}),
        (
            {"attempts": 5, "delay": 10, "backoff": 1.5, "max_delay": 60},
            {"MaxAttempts": 4, "IntervalSeconds": 10, "BackoffRate": 1.5, "MaxDelaySeconds": 60},
        ),
        # the longest pause is no longer than the first: there is nothing to grow
        (
            {"attempts": 4, "delay": 30, "backoff": 2, "max_delay": 5},
            {"MaxAttempts": 3, "IntervalSeconds": 5, "BackoffRate": 1},
        ),
        ({"attempts": 2, "delay": 86400}, {"MaxAttempts": 1, "IntervalSeconds": 86400, "BackoffRate": 1}),
    ],
)
def test_retries_in_what_a_retrier_can_say(tmp_path: Path, retry: Any, fields: Any) -> None:
    step = machine(tmp_path, graph(a=task(retry=retry)))["States"]["a"]
    assert step["Retry"][1] == {"ErrorEquals": ["States.TaskFailed"], **fields}
    assert "--attempt" in step["Arguments"]["ContainerOverrides"]["Command"]


def test_a_step_of_one_attempt_is_not_told_its_number(tmp_path: Path) -> None:
    step = machine(tmp_path, graph(a=task()))["States"]["a"]
    assert "--attempt" not in step["Arguments"]["ContainerOverrides"]["Command"]
    assert len(step["Retry"]) == 1


def test_the_engine_limit_of_an_attempt_lies_behind_ours(tmp_path: Path) -> None:
    states = machine(tmp_path, graph(a=task("b", timeout=600), b=task("c", timeout=0.5), c=task()))["States"]
    limits = [states[name]["Arguments"].get("Timeout") for name in "abc"]
    assert limits == [{"AttemptDurationSeconds": 660}, {"AttemptDurationSeconds": 61}, None]


def test_names_of_states(tmp_path: Path) -> None:
    long = "x" * 100
    inner = {
        "p": {"type": "parallel", "next": "success", "branches": {"Left hand": graph(**{"a/b": task()})}}
    }
    composite = {"type": "parallel", "branches": {long: graph(**{long: {**inner["p"]}})}, "next": "m"}
    whole = graph(
        **{
            "run": task("Run"),
            "Run": task(long),
            long: task(long[:-1] + "y"),
            long[:-1] + "y": task("ünï"),
            "ünï": task(long[2:]),
            long[2:]: composite,
            "m": {
                "type": "map",
                "iterate_on": "l",
                "iterate_as": "i",
                "next": "success",
                "branch": graph(**inner),
            },
        }
    )
    document = machine(tmp_path, whole)
    names = all_names(document)
    assert len(names) == len(set(names))
    assert max(map(len, names)) <= 80
    assert "Run" in names and "run" in names
    assert "m.p.Left hand.a-b-ae2b1fca" not in names
    assert any(name.startswith("m.p.Left hand.a-b-") for name in names)


def all_names(document: Any) -> list[str]:
    found: list[str] = []
    waiting = [document]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            if "StartAt" in item:
                found += item["States"]
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item
    return found


def test_a_job_name_is_one_that_batch_takes() -> None:
    name = job_name("Räte & Zinsen", ".".join(["m", "_", "a" * 40] * 5))
    assert len(name) <= 128 and name.isascii() and name[0].isalnum()
    assert job_name("p", "m._.t") == "p-m-t"
    assert job_name("p", "a" * 200) != job_name("p", "a" * 199 + "b")


def test_child_machines_are_outputs_of_their_own(tmp_path: Path) -> None:
    rendered = made(tmp_path, graph(d=dag(graph(t=task()), separate=True)))
    assert list(rendered.others) == ["d"]
    main, child = json.loads(rendered.text)["States"], json.loads(rendered.others["d"])["States"]
    assert main["d"]["Resource"] == "arn:aws:states:::states:startExecution.sync:2"
    assert "'dag_d'" in main["d"]["Arguments"]["StateMachineArn"]
    assert command(child["d.t"])[1:] == ["execute_single_node", "{% $run %}", "{% $branch & '.t' %}"]
    rendered_from = {
        "Name": "MAGNUS_DAG_HASH",
        "Value": main["run: start"]["Arguments"]["Body"]["dag_hash"],
    }
    assert rendered_from in child["run: start"]["Assign"]["environment"]


def test_separate_dags_with_names_alike_are_told_apart(tmp_path: Path) -> None:
    inner = dag(graph(t=task()), separate=True)
    around = {"type": "parallel", "branches": {"x": graph(c=inner)}, "next": "p-x-c"}
    rendered = made(tmp_path, graph(**{"p": around, "p-x-c": inner}))
    assert list(rendered.others) == ["p.x.c", "p-x-c"]
    comments = [json.loads(text)["Comment"] for text in rendered.others.values()]
    names = [comment.partition("To be deployed as ")[2].partition(";")[0] for comment in comments]
    assert names == ["dag_p_x_c", "dag_p-x-c"]


def test_child_machines_on_the_command_line(tmp_path: Path) -> None:
    whole = graph(d=dag(graph(t=task()), separate=True))
    (tmp_path / "dag.yaml").write_text(json.dumps({"dag": whole, "executor": EXECUTOR, **STORES}))

    def magnus(*argv: str) -> subprocess.CompletedProcess[str]:
        words = ["magnus", "render", "dag.yaml", "-t", "stepfunctions", *argv]
        return subprocess.run(
            words, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
        )

    refused = magnus()
    assert refused.returncode == 64 and "-o" in refused.stderr
    assert magnus("-o", "pipeline.asl.json").returncode == 0
    assert sorted(os.listdir(tmp_path)) == ["dag.yaml", "pipeline.asl.json", "pipeline.d.asl.json"]
    assert magnus("--check", "pipeline.asl.json").returncode == 0
    (tmp_path / "pipeline.d.asl.json").write_text("{}\n")
    drifted = magnus("--check", "pipeline.asl.json")
    assert drifted.returncode == 1 and "pipeline.d.asl.json" in drifted.stdout


def test_native_states_that_cannot_stand_for_a_node(tmp_path: Path) -> None:
    def native(state: Any) -> list[str]:
        step = {"type": "as-is", "render_string": {"stepfunctions": state}, "next": "success"}
        return errors(tmp_path, graph(a=step))

    assert native("echo hello") == ["MR202 step 'a': its render_string is text, not a state"]
    assert native({"Type": "Choice"})[0].startswith("MR202 step 'a': its state has the Type 'Choice'")
    assert native({"Type": "Pass", "Next": "b"}) == ["MR202 step 'a': its state has Next"]


def test_what_is_not_configured_is_warned_of(tmp_path: Path) -> None:
    path = tmp_path / "dag.yaml"
    path.write_text(json.dumps({"dag": graph(a=task())}))
    rendered = render(str(path), "stepfunctions")
    warned = [item.message.split("'")[1] for item in rendered.diagnostics if item.code == "MR201"]
    assert warned == ["magnus", "magnus", "job_queue", "job_definition"]
    with pytest.raises(DefinitionError):
        render(str(path), "stepfunctions", strict=True)


def test_stores_that_no_job_could_share_are_refused(tmp_path: Path) -> None:
    disk = {"type": "file-system"}
    for store in (disk, {"type": "buffered"}):
        found = errors(tmp_path, graph(a=task()), run_log_store=store)
        assert len(found) == 1 and found[0].startswith("MR108") and "s3" in found[0]
    assert "mounts" in errors(tmp_path, graph(a=task()), catalog=disk)[0]
    shared = {"type": "file-system", "config": {"path": "/mnt/efs/catalog"}}
    assert "mounts" in errors(tmp_path, graph(a=task()), config(mounts=["/mnt/ef"]), catalog=shared)[0]
    assert made(tmp_path, graph(a=task()), config(mounts=["/mnt/efs"]), catalog=shared).text


def test_a_prefix_that_the_store_would_refuse_is_refused_before_anything_is_deployed(tmp_path: Path) -> None:
    for prefix in ("/", "a//b", "it's"):
        store = {"type": "s3", "config": {"bucket": "runs", "prefix": prefix}}
        (found,) = errors(tmp_path, graph(a=task()), run_log_store=store)
        assert found.startswith("MR108 run_log_store 's3': 'prefix'")
    stores = {"type": "s3", "config": {"bucket": "runs", "prefix": "/a/b/"}}
    assert "'a/b/' & $states" in made(tmp_path, graph(a=task()), run_log_store=stores).text


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"compute": "fargate"}, "'compute'"),
        ({"job_que": "q"}, "job_que"),
        ({"resources": {"cpu": 1}}, "unknown key 'resources.cpu'"),
        ({"resources": {"memory": "4G"}}, "'resources.memory'"),
        ({"environment": {"A": [1]}}, "environment"),
        ({"magnus_command": []}, "magnus_command"),
        ({"job_queue": "a\nb"}, "control character"),
    ],
)
def test_bad_configuration(tmp_path: Path, keys: Any, message: str) -> None:
    found = errors(tmp_path, graph(a=task()), config(**keys))
    assert len(found) == 1 and message in found[0]


def test_limits_of_computes(tmp_path: Path) -> None:
    found = errors(tmp_path, graph(a=task(timeout=901)), config(compute="lambda", function="f"))
    assert len(found) == 1 and found[0].startswith("MR203 step 'a': a timeout of 901 s on Lambda")
    keys = {"compute": "sagemaker", "image": "i", "role": "r", "environment": {"LONG": "x" * 257}}
    assert any("LONG" in text for text in errors(tmp_path, graph(a=task()), config(**keys)))


def test_a_node_overrides_key_by_key(tmp_path: Path) -> None:
    own = {"resources": {"gpus": 1}, "environment": {"B": "{% evil %}", "A": "3"}, "job_queue": "gpu"}
    step = task(executor_config={"stepfunctions": own})
    executor = config(resources={"vcpus": 2}, environment={"A": 1, "C": True})
    states = machine(tmp_path, graph(a=step), executor)["States"]
    arguments = states["a"]["Arguments"]
    assert arguments["JobQueue"] == "gpu"
    overrides = arguments["ContainerOverrides"]
    assert overrides["ResourceRequirements"] == [
        {"Type": "VCPU", "Value": "2"},
        {"Type": "GPU", "Value": "1"},
    ]
    assert evaluated(overrides["Environment"], environment=states["run: start"]["Assign"]["environment"])[
        -3:
    ] == [
        {"Name": "C", "Value": "true"},
        {"Name": "A", "Value": "3"},
        {"Name": "B", "Value": "{% evil %}"},
    ]


def evaluated(field: str, **variables: Any) -> Any:
    """Return what an expression makes of variables."""
    jsonata_python = pytest.importorskip("jsonata")
    code = field.removeprefix("{% ").removesuffix(" %}")
    bound = "".join(f"${name} := {json.dumps(value)};" for name, value in variables.items())
    return jsonata_python.Jsonata(f"({bound}{code})").evaluate(None)


@pytest.mark.parametrize(
    "text", ["plain", 'it\'s \\ "q" $x {% y %} %}{% `b` /r/ \n\r\t\x01 ü 𝔘', "' & '", "\\' & '"]
)
def test_texts_in_expressions(text: str) -> None:
    assert evaluated(jsonata.expression(jsonata.literal([text, {"a": text}, 1, None, True]))) == [
        text, {"a": text}, 1, None, True,
    ]  # fmt: skip
    inner = jsonata.string(text)[1:-1]
    assert "{%" not in inner and "%}" not in inner
    plain = jsonata.plain(text)
    assert (evaluated(plain) if plain.startswith("{%") else plain) == text


def test_compact_is_the_same_machine_in_few_bytes(tmp_path: Path) -> None:
    document = {"dag": graph(a=task()), "executor": EXECUTOR, **STORES}
    path = tmp_path / "dag.yaml"
    path.write_text(json.dumps(document))
    pretty, compact = (render(str(path), "stepfunctions", compact=way).text for way in (False, True))
    assert json.loads(pretty) == json.loads(compact)
    assert ": " not in compact.replace("run: start", "").replace("end: ", "").split('"Comment"')[0]
    assert max(map(len, pretty.splitlines())) < 500


def test_a_pipeline_that_cannot_fit_is_refused_before_it_is_rendered(tmp_path: Path) -> None:
    steps = {f"s{n}": task(f"s{n + 1}" if n < 2999 else "success") for n in range(3000)}
    (found,) = errors(tmp_path, graph(**steps))
    assert found.startswith("MR248 3,000 steps are more than fit in a definition of 1,048,576 bytes")


def test_a_thousand_steps_fit(tmp_path: Path) -> None:
    steps = {f"step-{n}": task(f"step-{n + 1}" if n < 999 else "success") for n in range(1000)}
    document = {"dag": graph(**steps), "executor": EXECUTOR, **STORES}
    path = tmp_path / "dag.yaml"
    path.write_text(json.dumps(document))
    compact = render(str(path), "stepfunctions", compact=True).text
    assert len(compact.encode()) / 1000 <= 600
    assert len(render(str(path), "stepfunctions").text.encode()) < 1_048_576


def test_rendering_needs_no_network_no_credentials_and_writes_nothing_else(tmp_path: Path) -> None:
    unshare = require("unshare")
    project, home = tmp_path / "project", tmp_path / "home"
    project.mkdir()
    home.mkdir()
    (project / "dag.yaml").write_text(json.dumps({"dag": graph(a=task()), "executor": EXECUTOR, **STORES}))
    if subprocess.run([unshare, "--net", "true"], check=False).returncode:
        unavailable("this user may not cut a process off from the network")
    kept = {"PATH": environment()["PATH"], "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    words = ["magnus", "render", "dag.yaml", "-t", "stepfunctions", "-o", "out.json"]
    done = subprocess.run(
        [unshare, "--net", *words], cwd=project, env=kept, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert sorted(os.listdir(project)) == ["dag.yaml", "out.json"]
    assert os.listdir(home) == []
