"""A bundle for Argo, applied as its README says: its pods may do what they need, and nothing can be taken away."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.conformance.argo import Argo
from tests.engines.argo import build
from tests.engines.argo.commands import Terminal
from tests.engines.argo.pipeline import Project, shell
from tests.engines.argo.run import EngineError
from tests.tools import magnus

RESULTS = "workflowtaskresults"


@pytest.mark.parametrize("lacking", ["", "create", "patch"])
def test_pods_need_what_the_role_allows(tmp_path: Path, lacking: str) -> None:
    build.require()
    project = Project(tmp_path / "argo", {"a": shell("true", "b"), "b": shell("true")})
    config = Argo().configure(project.folder, project.spec())
    done = magnus(project.folder, "bundle", "dag.yaml", "-t", "argo", "-c", config, "-o", "out")
    assert done.returncode == 0, done.stderr
    permissions = project.folder / "out" / "permissions.yaml"
    objects = list(yaml.safe_load_all(permissions.read_text()))
    (rule,) = next(one["rules"] for one in objects if one["kind"] == "Role")
    assert (rule["resources"], rule["verbs"]) == ([RESULTS], ["create", "patch"])
    if lacking:
        rule["verbs"].remove(lacking)
        permissions.write_text(yaml.safe_dump_all(objects))
    with project.open() as opened:
        terminal = Terminal(opened, project.folder)
        terminal("kubectl apply -k out")
        account = f"system:serviceaccount:{opened.name}:dag"
        for verb in rule["verbs"]:
            opened.until_allowed(account, verb, RESULTS)
        opened.follow(terminal("argo submit --from workflowtemplate/dag -o name -p run-id=n-7"))
        if lacking:
            with pytest.raises(EngineError, match=f'"{account}" cannot {lacking} resource "{RESULTS}"'):
                opened.wait()
            return
        ended = project.ended(opened, "n-7")
        assert ended.log["status"] == "SUCCESS", ended.run.told
        terminal("kubectl delete -k out")
