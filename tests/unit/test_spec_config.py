"""Configuration blocks, and files of older versions."""

from __future__ import annotations

from pathlib import Path

import pytest

from magnus_render.diagnostics import DefinitionError
from magnus_render.graph.load import load_parameters
from tests.unit.front_end import codes_of, dag, loaded

STEP = "    a: {type: as-is, next: success}"


def test_defaults(tmp_path: Path) -> None:
    assert loaded(tmp_path, dag(STEP)).config == {
        "executor": {"type": "local", "config": {}},
        "run_log_store": {"type": "file-system", "config": {"path": ".run_log_store"}},
        "catalog": {"type": "file-system", "config": {"path": ".catalog"}},
        "secrets": {"type": "do-nothing", "config": {}},
    }


def test_the_configuration_file_wins_block_by_block(tmp_path: Path) -> None:
    text = dag(
        STEP, rest="catalog: {type: do-nothing}\nrun_log_store: {type: file-system, config: {path: here}}\n"
    )
    config = loaded(tmp_path, text, "run_log_store: {type: buffered}\nexecutor: {type: bash}\n").config
    assert config["catalog"]["type"] == "do-nothing"
    assert config["run_log_store"] == {"type": "buffered", "config": {}}
    assert config["executor"] == {"type": "bash", "config": {}}


def test_empty_blocks_are_defaults(tmp_path: Path) -> None:
    text = dag(
        STEP,
        rest="executor:\nrun_log_store: {type: file-system, config: }\ncatalog: {type: file-system, config: {path: }}\n",
    )
    config = loaded(tmp_path, text).config
    assert config["executor"]["type"] == "local"
    assert config["run_log_store"]["config"] == {"path": ".run_log_store"}
    assert config["catalog"]["config"] == {"path": ".catalog"}


def test_commands_are_argument_lists(tmp_path: Path) -> None:
    text = dag(
        STEP,
        rest="executor: {type: bash, config: {launcher: [srun, --mem=8G], magnus_command: python -m magnus}}\n",
    )
    assert loaded(tmp_path, text).config["executor"]["config"] == {
        "launcher": ["srun", "--mem=8G"],
        "magnus_command": ["python", "-m", "magnus"],
    }


@pytest.mark.parametrize(
    "executor",
    [
        "{type: local, config: {max_workers: 2, isolated: true}}",
        "{type: argo, config: {image: x, parallelism: 3, persistent_volumes: [{claim: a, mount_path: /b}]}}",
        "{type: aws-step-functions, config: {job_queue: q, job_definition: d, resources: {vcpus: 1}, distributed: true}}",
        "{type: stepfunctions, config: {compute: ecs, subnets: [a]}}",
    ],
)
def test_executors_of_other_engines_are_accepted(tmp_path: Path, executor: str) -> None:
    assert codes_of(tmp_path, dag(STEP, rest=f"executor: {executor}\n")) == []


def test_older_file(tmp_path: Path) -> None:
    text = """
run_log: {type: chunked-fs, config: {log_folder: logs}}
mode: {type: demo-renderer, config: {enable_parallel: "true"}}
secrets: {type: env-secrets-manager}
catalog: {type: file-system, config: {compute_data_folder: data/in/, catalog_location: cat}}
experiment_tracker: {type: mlflow}
dag:
  start_at: first step
  description:
  max_time:
  steps:
    first step:
      type: task
      command: my_module.function
      command_type: python-function
      mode_config:
      on_failure:
      catalog:
        compute_data_folder:
        get:
          - '*'
      next: second
    second:
      type: stub
      command: anything
      command_config:
        render_string: echo hello
      whatever: [1, 2]
      next: third
    third:
      type: as-is
      render_string: {demo-renderer: a, stepfunctions: {Type: Pass}}
      next: fourth
    fourth:
      type: task
      command_type: notebook
      command: a.ipynb
      command_config: {notebook_output_path: b.ipynb, optional_ploomber_args: {}}
      catalog: {compute_data_folder: other, put: ["*.csv"]}
      next: success
    success: {type: success}
    fail: {type: fail}
"""
    result = loaded(tmp_path, text)
    assert [item.code for item in result.diagnostics] == ["MR060", "MR060"]
    assert result.config == {
        "executor": {"type": "bash", "config": {}},
        "run_log_store": {"type": "file-system", "config": {"path": "logs"}},
        "catalog": {"type": "file-system", "config": {"path": "cat"}},
        "secrets": {"type": "env", "config": {}},
    }
    nodes = result.plan["nodes"]
    first = next(node for node in nodes.values() if node["name"] == "first step")
    assert first["command_type"] == "python"
    assert first["catalog"] == {"get": ["*"], "put": [], "compute_data_folder": "data/in"}
    assert nodes["second"]["type"] == "as-is"
    assert nodes["second"]["render"] == "echo hello"
    assert nodes["third"]["render"] == {"bash": "a", "aws-step-functions": {"Type": "Pass"}}
    assert nodes["fourth"]["catalog"] == {"get": [], "put": ["*.csv"], "compute_data_folder": "other"}


def test_executor_config_forms(tmp_path: Path) -> None:
    text = dag("""
    a: {type: as-is, executor_config: {local-container: {docker_image: a}, my-own: {x: {y: 1}}}, next: b}
    b: {type: as-is, mode_config: {docker_image: b, max_workers: 2}, next: c}
    c: {type: task, command: m.f, overrides: {argo: big, local: {isolated: true}}, next: d}
    d: {type: task, command: m.f, executor_config: {argo: {image: d}, resources: {limits: {cpu: 1}}}, next: success}
""")
    config = "executor: {type: argo, config: {docker_image: all, overrides: {big: {docker_image: c}}}}"
    result = loaded(tmp_path, text, config)
    nodes = result.plan["nodes"]
    assert result.config["executor"]["config"] == {"image": "all"}
    assert nodes["a"]["executor_config"] == {
        "local-container": {"image": "a"},
        "my-own": {"x": {"y": 1}},
    }
    assert nodes["b"]["executor_config"] == {"argo": {"image": "b"}}
    assert nodes["c"]["executor_config"] == {"argo": {"image": "c"}, "local": {"isolated": True}}
    assert nodes["d"]["executor_config"] == {"argo": {"image": "d", "resources": {"limits": {"cpu": 1}}}}
    assert loaded(tmp_path, text.replace("overrides", "x_").replace("x_: {argo: big, ", "overrides: {")).plan[
        "nodes"
    ]["b"]["executor_config"] == {"local": {"max_workers": 2}}


def test_older_argo_config(tmp_path: Path) -> None:
    config = """
executor:
  type: argo
  config:
    image: x
    output_file: y.yaml
    persistent_volumes: [{name: data, mount_path: /mnt}]
    secrets_from_k8s: [{environment_variable: DB, secret_name: creds, secret_key: db}]
"""
    result = loaded(tmp_path, dag(STEP), config)
    assert [item.code for item in result.diagnostics] == ["MR060"]
    assert result.config["executor"]["config"] == {
        "image": "x",
        "persistent_volumes": [{"claim": "data", "mount_path": "/mnt"}],
        "secret_environment": {"DB": {"secret": "creds", "key": "db"}},
    }


def test_branches_one_by_one_in_older_files(tmp_path: Path) -> None:
    result = loaded(tmp_path, dag(STEP, rest="executor: {type: local, config: {enable_parallel: false}}\n"))
    assert result.config["executor"]["config"] == {"max_workers": 1}


def test_parameters(tmp_path: Path) -> None:
    file = tmp_path / "parameters.yaml"
    file.write_text("Ratio: 0.5\nno: [1, '1', true, null]\n1: {B: b}\ntext: ${x}\n")
    assert load_parameters(str(file)) == {
        "Ratio": 0.5,
        "no": [1, "1", True, None],
        "1": {"B": "b"},
        "text": "${x}",
    }
    file.write_text('{"a": 1.0, "b": "\\ud83d\\ude00", "c": {}}')
    found = load_parameters(str(file))
    assert found["a"] == 1.0 and isinstance(found["a"], float) and found["c"] == {}
    for text in (
        '{"a": NaN}',
        '{"a": 1e999}',
        '{"a": 1, "a": 2}',
        '{"": 1}',
        "[1]",
        '{"a": ' * 600 + "1" + "}" * 600,
    ):
        file.write_text(text)
        with pytest.raises(DefinitionError):
            load_parameters(str(file))
    file.write_text("")
    with pytest.raises(DefinitionError):
        load_parameters(str(file))
