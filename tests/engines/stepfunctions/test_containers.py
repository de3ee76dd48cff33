"""Jobs in real containers: the image, isolation, ends, and a whole pipeline."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines import images
from tests.engines.stepfunctions import pipeline
from tests.engines.stepfunctions.client import Client
from tests.engines.stepfunctions.jobs import TIMED_OUT
from tests.engines.stepfunctions.scenarios import PROJECT, caught, execute, job, new_name, result, task


@pytest.fixture(scope="module")
def image() -> str:
    images.require()
    return images.image()


@pytest.fixture(scope="module")
def client(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with Client() as client:
        client.project(PROJECT, tmp_path_factory.mktemp("project"), image=image)
        yield client


def log(client: Client, word: str) -> str:
    (record,) = client.jobs(word)
    return Path(record["attempts"][-1]["log"]).read_text()


def test_the_image_has_the_project(client: Client) -> None:
    word = new_name()
    script = "python3 -c 'import magnus_render, ssl; print(magnus_render.__file__)'; magnus --version"
    assert result(client, {"job": job("sh", "-c", script, word, Output="good")}) == "good"
    where, version = log(client, word).splitlines()
    assert where.startswith("/opt/magnus/")
    assert version


def test_the_project_folder_is_as_in_the_image(client: Client, image: str, tmp_path: Path) -> None:
    (tmp_path / "given").write_text("given")
    name, word = new_name(), new_name()
    client.project(name, tmp_path, {"WITH": 'quote " $HOME\nline'}, image)
    script = 'pwd; cat given; echo more > given; touch new; echo; echo "$WITH"; id -u'
    state = job("sh", "-c", script, word, definition=name, Output="good")
    assert result(client, {"job": state}) == "good"
    assert log(client, word) == f'{tmp_path}\ngiven\nquote " $HOME\nline\n0\n'
    assert [path.name for path in tmp_path.iterdir()] == ["given"]
    assert (tmp_path / "given").read_text() == "given"


def test_exit_codes(client: Client) -> None:
    word = new_name()
    assert result(client, caught(job("sh", "-c", "exit 75", word))) == "States.TaskFailed"
    (record,) = client.jobs(word)
    assert record["attempts"][0]["exit_code"] == 75


def test_a_time_limit_ends_the_container(client: Client) -> None:
    word = new_name()
    limit = {"Timeout": {"AttemptDurationSeconds": 2}}
    execute(client, {"job": job("sh", "-c", "trap 'exit 9' TERM; sleep 60 & wait", word, Arguments=limit)})
    (record,) = client.jobs(word)
    assert [(each["exit_code"], each["reason"]) for each in record["attempts"]] == [(9, TIMED_OUT)]


@pytest.mark.parametrize("compute", ["batch", "ecs"])
def test_a_pipeline(client: Client, image: str, tmp_path: Path, compute: str) -> None:
    pipeline.write_callback(tmp_path, "/opt/magnus/bin/python3")
    name = f"pipeline-{compute}"
    path = f"{tmp_path / 'bin'}:/opt/magnus/bin:/usr/bin:/bin"
    client.project(name, tmp_path, {**pipeline.environment(client, name), "PATH": path}, image)
    start = job if compute == "batch" else functools.partial(task, client)
    pipeline.check(client, name, functools.partial(start, definition=name))
