"""`magnus runs export`: what each format says of a run, held by the models and validators of the projects themselves."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from magnus_render.cli.main import run as magnus
from tests.tools import environment, require
from tests.tools import magnus as command
from tests.unit.export_checks import attributes, conform, events, findings, model, spans

SECRET = "correct-horse-battery"
TASK = "type: task, command_type: shell"
ENDS = "ok: {type: success}, no: {type: fail}"
DEFINITION = f"""dag:
  name: shop
  start_at: list
  steps:
    list:
      type: task
      command_type: shell
      description: Lists shops.
      command: 'echo "{{\\"xs\\": [1, 2], \\"mode\\": \\"fast\\"}}" >> $MAGNUS_OUTPUT'
      next: maybe
    maybe: {{{TASK}, command: 'true', when: {{parameter: mode, is: slow}}, next: each}}
    each:
      type: map
      iterate_on: xs
      iterate_as: x
      branch:
        start_at: train it
        steps:
          train it:
            type: task
            command_type: shell
            command: |
              : {SECRET}
              mkdir -p data/m; echo $MAGNUS_PRM_x > data/m/$MAGNUS_PRM_x.bin
              [ "$MAGNUS_ATTEMPT" = "$MAGNUS_PRM_x" ] || {{ echo $TOKEN >&2; exit 3; }}
              echo "{{\\"done\\": $MAGNUS_PRM_x, \\"long\\": \\"$(printf %05000d 0)\\"}}" >> $MAGNUS_OUTPUT
              export MAGNUS_TRACK_loss=0.5
            retry: 2
            secrets: {{TOKEN: token}}
            catalog: {{put: [m/*]}}
            next: ok
          ok: {{type: success}}
          no: {{type: fail}}
      next: pick
    pick:
      type: conditional
      parameter: mode
      branches:
        fast:
          start_at: go
          steps:
            go: {{{TASK}, command: 'echo new > data/m/1.bin', catalog: {{get: ["m/*"], put: ["m/1.bin"]}}, next: ok}}
            ok: {{type: success}}
            no: {{type: fail}}
        slow: {{start_at: go, steps: {{go: {{{TASK}, command: 'true', next: ok}}, {ENDS}}}}}
      next: last
    last: {{{TASK}, command: 'exit 4', next: ok}}
    ok: {{type: success}}
    no: {{type: fail}}
run_log_store: {{type: file-system}}
catalog: {{type: file-system}}
secrets: {{type: env}}
"""
FORMATS = ("openlineage", "otlp", "rocrate")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose run `r` has failed at its last step, and whose run `w` is at work in its first."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "dag.yaml").write_text(DEFINITION)
    words = [require("magnus"), "execute", "-f", "dag.yaml", "--run-id", "r", "--param", "n=1"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    assert subprocess.run(words, cwd=folder, env=environment(token=SECRET), **quiet).returncode == 1
    assert command(folder, "start_run", "w", "-f", "dag.yaml").returncode == 0
    return folder


@pytest.fixture(autouse=True)
def there(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    monkeypatch.delenv("MAGNUS_CONFIG", raising=False)


def told(capfd: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    status = magnus(["runs", "export", *words])
    return status, *capfd.readouterr()


def exported(capfd: pytest.CaptureFixture[str], form: str, run: str = "r") -> str:
    status, out, err = told(capfd, run, "--format", form)
    assert (status, err) == (0, "")
    return out


# ---- OpenLineage ----


def named(event: dict[str, Any]) -> tuple[str, str, int]:
    return event["eventType"], event["job"]["name"], event["run"]["facets"]["magnus"].get("attempt", 0)


def test_events_of_openlineage_are_what_its_models_say(capfd: pytest.CaptureFixture[str]) -> None:
    for run in ("r", "w"):
        for number, event in enumerate(events(exported(capfd, "openlineage", run))):
            conform(event, model("base:RunEvent"), f"event {number}")


@pytest.mark.parametrize(
    "change",
    [
        lambda event: event.pop("producer"),
        lambda event: event.update(other=1),
        lambda event: event.update(eventType="ENDED"),
        lambda event: event["run"].update(runId="r"),
        lambda event: event["run"]["facets"]["parent"]["job"].pop("name"),
        lambda event: event["run"]["facets"]["parent"].update(_schemaURL="x"),
        lambda event: event["job"]["facets"]["jobType"].update(jobType=1),
    ],
)
def test_what_the_models_do_not_say_is_found(change: Any, capfd: pytest.CaptureFixture[str]) -> None:
    event = events(exported(capfd, "openlineage"))[1]
    change(event)
    with pytest.raises((AssertionError, ValueError)):
        conform(event, model("base:RunEvent"), "event")


def test_what_openlineage_tells(capfd: pytest.CaptureFixture[str]) -> None:
    found = events(exported(capfd, "openlineage"))
    inner = "shop.each._.train it"
    assert sorted(map(named, found)) == sorted(
        [
            *[("START", name, 1) for name in ("shop.list", "shop.last", "shop.pick.fast.go", inner, inner)],
            *[("START", name, 0) for name in ("shop", "shop.maybe", "shop.each", "shop.pick")],
            ("START", inner, 2),
            *[("COMPLETE", name, 1) for name in ("shop.list", "shop.pick.fast.go", inner)],
            *[("COMPLETE", name, 0) for name in ("shop.maybe", "shop.each", "shop.pick")],
            ("FAIL", inner, 1),
            ("COMPLETE", inner, 2),
            ("FAIL", "shop.last", 1),
            ("FAIL", "shop", 0),
        ]
    )
    assert [event["eventTime"] for event in found] == sorted(event["eventTime"] for event in found)
    ids = {event["run"]["runId"] for event in found}
    assert len(found) == 2 * len(ids)
    by_name = {named(event): event for event in found}
    parent = by_name["FAIL", inner, 1]["run"]["facets"]["parent"]
    assert parent["run"]["runId"] == by_name["START", "shop.each", 0]["run"]["runId"]
    assert parent["root"]["run"]["runId"] == found[0]["run"]["runId"]
    assert by_name["COMPLETE", "shop.maybe", 0]["run"]["facets"]["magnus"]["status"] == "SKIPPED"
    assert by_name["FAIL", inner, 1]["run"]["facets"]["errorMessage"]["message"] == "exited with status 3"
    assert by_name["FAIL", "shop", 0]["run"]["facets"]["errorMessage"]["message"] == "failed: last"
    second = by_name["COMPLETE", inner, 2]["run"]["facets"]["magnus"]
    assert (
        second["item"] == {"x": 2}
        and second["step"] == "each.1.train it"
        and second["metrics"] == {"loss": 0.5}
    )
    assert second["set"]["done"] == 2 and second["set"]["long"].startswith("sha256:")


def test_files_are_datasets_with_their_hash_as_version(capfd: pytest.CaptureFixture[str]) -> None:
    by_name = {named(event): event for event in events(exported(capfd, "openlineage"))}
    put = by_name["COMPLETE", "shop.each._.train it", 1]["outputs"]
    go = by_name["COMPLETE", "shop.pick.fast.go", 1]
    versions = {one["name"]: one["facets"]["version"]["datasetVersion"] for one in go["inputs"]}
    assert sorted(versions) == ["shop/m/1.bin", "shop/m/2.bin"]
    assert [(one["name"], one["facets"]["version"]["datasetVersion"]) for one in put] == [
        ("shop/m/1.bin", versions["shop/m/1.bin"])
    ]
    assert [one["name"] for one in go["outputs"]] == ["shop/m/1.bin"]
    assert go["outputs"][0]["facets"]["version"]["datasetVersion"] != versions["shop/m/1.bin"]
    assert by_name["FAIL", "shop.each._.train it", 1]["outputs"] == []


# ---- OTLP ----


def test_the_trace_is_what_a_collector_takes(capfd: pytest.CaptureFixture[str]) -> None:
    found = spans(exported(capfd, "otlp"))
    assert {len(span.trace_id) for span in found} == {16} and len({span.trace_id for span in found}) == 1
    assert {len(span.span_id) for span in found} == {8} and len({span.span_id for span in found}) == len(
        found
    )
    known = {span.span_id: span for span in found}
    for span in found[1:]:
        above = known[span.parent_span_id]
        assert above.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano
        assert span.end_time_unix_nano <= above.end_time_unix_nano
    created = json.loads(Path(".run_log_store/r/run.json").read_text())["created"]
    assert abs(found[0].start_time_unix_nano / 1e9 - created) < 1e-5


def test_what_a_trace_tells(capfd: pytest.CaptureFixture[str]) -> None:
    found = spans(exported(capfd, "otlp"))
    names = {span.span_id: span.name for span in found}
    told = [(names.get(span.parent_span_id, ""), span.name, span.status.code) for span in found]
    assert told == [
        ("", "shop", 2),
        ("shop", "list", 1),
        ("shop", "maybe", 1),
        ("shop", "each", 1),
        ("each", "each[0]", 1),
        ("each[0]", "train it", 1),
        ("each", "each[1]", 1),
        ("each[1]", "train it", 2),
        ("each[1]", "train it", 1),
        ("shop", "pick", 1),
        ("pick", "go", 1),
        ("shop", "last", 2),
    ]
    first, again = found[7:9]
    assert first.status.message == "exited with status 3"
    assert [(one.name, one.time_unix_nano) for one in first.events] == [
        ("exception", first.end_time_unix_nano)
    ]
    about = attributes(again)
    assert (about["magnus.attempt"], about["magnus.step"]) == (2, "each.1.train it")
    assert about["magnus.saw.xs"] == "[1,2]" and about["magnus.set.done"] == 2
    assert about["magnus.metric.loss"] == 0.5 and about["magnus.put.m/2.bin"].startswith("sha256:")
    assert (
        attributes(found[2])["magnus.status"] == "SKIPPED" and attributes(found[0])["magnus.parameter.n"] == 1
    )
    assert attributes(found[6])["magnus.item.x"] == 2


# ---- RO-Crate ----


@pytest.mark.filterwarnings("ignore")
def test_the_crate_conforms_to_its_profile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    metadata = tmp_path / "crate" / "ro-crate-metadata.json"
    metadata.parent.mkdir()
    shutil.copy("dag.yaml", metadata.parent)
    assert magnus(["runs", "get", "r", "**", "-o", str(metadata.parent / "files")]) == 0
    assert told(capfd, "r", "--format", "rocrate", "-o", str(metadata))[0] == 0
    assert list(findings(metadata.parent, monkeypatch)) == []
    metadata.write_text(metadata.read_text().replace('"HowToStep"', '"HowToTip"'))
    (metadata.parent / "files/m/2.bin").unlink()
    found = "\n".join(findings(metadata.parent, monkeypatch))
    assert "HowToStep" in found and "files/m/2.bin" in found


def test_what_a_crate_tells(capfd: pytest.CaptureFixture[str]) -> None:
    graph = json.loads(exported(capfd, "rocrate"))["@graph"]
    by_id = {entity["@id"]: entity for entity in graph}
    assert len(by_id) == len(graph)
    actions = {entity["name"]: entity for entity in graph if entity["@type"] == "CreateAction"}
    assert next(iter(actions)) == "Run r" and sorted(actions)[1:] == [
        "each",
        "each.0.train it, attempt 1",
        "each.1.train it, attempt 1",
        "each.1.train it, attempt 2",
        "last, attempt 1",
        "list, attempt 1",
        "pick",
        "pick.fast.go, attempt 1",
    ]
    failed = actions["each.1.train it, attempt 1"]
    assert (failed["actionStatus"], failed["error"]) == (
        "http://schema.org/FailedActionStatus",
        "exited with status 3",
    )
    control = by_id["#control-" + failed["@id"].removeprefix("#action-").removesuffix("-1")]
    assert [one["@id"] for one in control["object"]] == [
        failed["@id"],
        actions["each.1.train it, attempt 2"]["@id"],
    ]
    files = [entity for entity in graph if "File" in entity["@type"]]
    assert [one["@id"].partition(";")[0] for one in files] == [
        "dag.yaml",
        "files/m/1.bin",
        "files/m/2.bin",
        "ni:///sha-256",
    ]
    assert files[1]["sha256"] != files[3]["sha256"] and files[1]["name"] == files[3]["name"]


# ---- all of them ----


@pytest.mark.parametrize("form", FORMATS)
def test_the_same_records_give_the_same_bytes_and_no_secret(
    form: str, capfd: pytest.CaptureFixture[str]
) -> None:
    text = exported(capfd, form)
    assert text == exported(capfd, form) and SECRET not in text


def test_ids_of_a_run_at_work_are_those_of_the_run_that_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    whole = {form: exported(capfd, form) for form in FORMATS}
    shutil.copytree(".run_log_store", tmp_path / ".run_log_store")
    monkeypatch.chdir(tmp_path)
    records = Path(".run_log_store/r/steps")
    (records / "end.json").unlink()
    (records / "last/outcome.json").unlink()
    part = {form: exported(capfd, form) for form in FORMATS}
    assert set(part["openlineage"].splitlines()) < set(whole["openlineage"].splitlines())
    assert [named(event)[:2] for event in events(part["openlineage"])][-1] == ("START", "shop.last")
    ended = [span.SerializeToString() for span in spans(whole["otlp"])]
    assert [span.SerializeToString() for span in spans(part["otlp"])] == ended[1:-1]
    at_work = {
        one["@id"]: one.get("actionStatus", "")[18:-12] for one in json.loads(part["rocrate"])["@graph"]
    }
    assert (at_work["#run"], at_work["#action-last-1"]) == ("Active", "Active")


@pytest.mark.parametrize("form", FORMATS)
def test_a_run_that_has_only_begun_is_exported(form: str, capfd: pytest.CaptureFixture[str]) -> None:
    text = exported(capfd, form, "w")
    if form == "openlineage":
        assert [named(event) for event in events(text)] == [("START", "shop", 0)]
    elif form == "otlp":
        assert spans(text) == []
    else:
        about = next(one for one in json.loads(text)["@graph"] if one["@id"] == "./")
        assert not any("provenance" in one["@id"] for one in about["conformsTo"])


def test_an_attempt_that_left_no_end_has_crashed_by_what_came_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(".run_log_store", tmp_path / ".run_log_store")
    monkeypatch.chdir(tmp_path)
    (end,) = Path(".run_log_store/r/steps/each/1").glob("*/1.end.json")
    end.unlink()
    first, again = spans(exported(capfd, "otlp"))[7:9]
    assert (
        attributes(first)["magnus.status"] == "CRASHED"
        and "left no record of its end" in first.status.message
    )
    assert first.end_time_unix_nano == again.start_time_unix_nano
    inner = "shop.each._.train it"
    assert ("FAIL", inner, 1) in map(named, events(exported(capfd, "openlineage")))


def test_no_file_is_replaced_unasked(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "trace.json"
    words = ("r", "--format", "otlp", "-o", str(path))
    assert told(capfd, *words) == (0, "", "")
    path.write_text("mine")
    status, _, err = told(capfd, *words)
    assert (status, path.read_text()) == (65, "mine")
    assert err == f"magnus: {path} is there already: -o FILE writes elsewhere, --force replaces a file\n"
    assert told(capfd, *words, "--force")[0] == 0 and spans(path.read_text())


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("r", "--format", "jaeger"), 64, "no format 'jaeger'; there are openlineage, otlp, rocrate"),
        (("q", "--format", "otlp"), 65, "there is no run 'q'"),
        (("r",), 64, "--format"),
        (("r", "--format", "otlp", "--namespace", ""), 64, "--namespace NAME is empty"),
    ],
)
def test_what_cannot_be_exported(
    words: tuple[str, ...], status: int, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    ended, out, err = told(capfd, *words)
    assert (ended, out) == (status, "") and said in err


def test_a_damaged_record_is_told_as_show_tells_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(".run_log_store", tmp_path / ".run_log_store")
    monkeypatch.chdir(tmp_path)
    outcome = Path(".run_log_store/r/steps/list/outcome.json")
    outcome.chmod(0o600)
    outcome.write_text("{}")
    shown = magnus(["runs", "show", "r"]), *capfd.readouterr()
    assert told(capfd, "r", "--format", "otlp") == shown and shown[0] == 65 and "outcome.json" in shown[2]
