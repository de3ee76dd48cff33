"""Mistakes to make in Argo manifests, each by itself.

`MISTAKES` maps a mistake's name to a change of a manifest, a text that stands there once, and what is to be found.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from magnus_render.targets.argo.lint.yaml import load
from tests.unit.argo_manifests import MANIFESTS


class Mistake(NamedTuple):
    """A change of a manifest, and what is found."""

    old: str
    new: str
    code: str
    about: str = ""
    """What the message begins with: `template 'x', task 'y'`; '' for the object."""
    manifest: str = "template"

    def text(self) -> str:
        """Return the text of the manifest with the mistake."""
        text = MANIFESTS[self.manifest]
        assert text.count(self.old) == 1, f"{self.old!r} stands there {text.count(self.old)} times"
        return text.replace(self.old, self.new)

    def documents(self) -> list[Any]:
        """Return its objects."""
        return load(self.text())


def good(name: str) -> list[Any]:
    """Return the objects of a manifest without a mistake."""
    return load(MANIFESTS[name])


def _t(name: str, task: str = "") -> str:
    return f"template '{name}', task '{task}'" if task else f"template '{name}'"


_A = "          - name: a\n            template: count\n"
_M_DEPENDS = "            depends: a.Succeeded\n"
_P_DEPENDS = "depends: (m.Succeeded || m.Skipped)"
_LINES = "          - name: lines\n            depends: p.Succeeded\n"
_RETRY = "        retryPolicy: Always\n        expression: lastRetry.exitCode == '75' || lastRetry.status == 'Error'\n"
_STORE = "  volumes:\n    - name: store\n      persistentVolumeClaim:\n        claimName: magnus-store\n"
_OUTPUT = "            valueFrom:\n              path: /tmp/items.json\n"
_SHARED = "  volumes:\n    - name: shared\n      persistentVolumeClaim: {claimName: magnus-shared}\n"
_SECRET = "secretKeyRef: {name: database, key: password}"
_STEP_ARGS = 'args: [$(MAGNUS_RUN_ID), "{{inputs.parameters.step}}", --text, "$$(HOME) and $(date)"]'
_EXPRESSION = "{{=sprig.b64enc(workflow.parameters.parameters)}}"

_NO_BRANCH = """          - name: no-branch
            depends: good.Skipped && n-3.Skipped && default.Skipped
            template: pass
            withParam: "choice: {{inputs.parameters.choice}}"
"""
_CHOSEN = """          - name: success
            depends: (good.Succeeded || n-3.Succeeded || default.Succeeded) && no-branch.Omitted
            template: pass
"""
_CHOICE = """            arguments:
              parameters:
                - {name: choice, value: "{{tasks.assess.outputs.parameters.choice}}"}
"""

MISTAKES: dict[str, Mistake] = {
    # the object
    "old apiVersion": Mistake("apiVersion: argoproj.io/v1alpha1", "apiVersion: argoproj.io/v1", "MR320"),
    "unknown kind": Mistake("kind: WorkflowTemplate", "kind: WorkflowTemplates", "MR320"),
    "no templates": Mistake("    templates:\n", "    templates: []\n    x:\n", "MR320", manifest="cron"),
    "no entrypoint": Mistake("    entrypoint: pipeline\n", "", "MR320", manifest="cron"),
    "templates beside a reference": Mistake(
        "    entrypoint: pipeline\n", "    workflowTemplateRef: {name: x}\n", "MR320", manifest="cron"
    ),
    "capitals in a name": Mistake("  name: regions\n", "  name: Regions\n", "MR321"),
    "long name": Mistake("  name: regions\n", f"  name: {'x' * 64}\n", "MR321"),
    "long cron name": Mistake("  name: nightly\n", f"  name: {'x' * 53}\n", "MR321", manifest="cron"),
    "capitals in a generateName": Mistake(
        "generateName: caller-", "generateName: Caller-", "MR321", manifest="pair"
    ),
    "no name": Mistake("  name: regions\n", "", "MR321"),
    "namespace with a dot": Mistake("namespace: data", "namespace: da.ta", "MR321"),
    "label's value with a blank": Mistake("managed-by: magnus", "managed-by: magnus render", "MR322"),
    "label's key": Mistake("app.kubernetes.io/managed-by:", "app/kubernetes/managed-by:", "MR322"),
    "annotation's key": Mistake("          magnus/step:", "          magnus step:", "MR322", _t("step")),
    "label of runs": Mistake("{purpose: regions}", "{purpose: all regions}", "MR322"),
    "label of scheduled runs": Mistake(
        "{purpose: nightly}", "{purpose: every night}", "MR322", manifest="cron"
    ),
    "node selector": Mistake("    pool: batch", "    pool: a b", "MR322"),
    # fields
    "typo in the spec": Mistake("  parallelism: 20", "  paralelism: 20", "MR323"),
    "field of Argo 4.1": Mistake(
        "    - name: pass\n", "    - name: pass\n      pendingTimeout: 5m\n", "MR323", _t("pass")
    ),
    "typo in a task": Mistake(
        'withParam: "{{tasks.a.', 'withParams: "{{tasks.a.', "MR323", _t("pipeline", "m")
    ),
    "typo in a container": Mistake(
        "        image: registry.example/gpu:1.4.2", "        immage: x", "MR323", _t("b")
    ),
    "typo in a volume": Mistake("        claimName:", "        claim:", "MR323"),
    "field of a template in a task": Mistake(
        _LINES, _LINES + "            retryStrategy: {limit: 1}\n", "MR323", _t("pipeline", "lines")
    ),
    "typo in a patch": Mistake("terminationGracePeriodS", "terminationGracePeriod", "MR323", manifest="cron"),
    "typo deep in a patch": Mistake(
        "{name: main, resources:", "{name: main, resource:", "MR323", manifest="cron"
    ),
    "patch of the wrong kind": Mistake("{fsGroup: 1000}", "{fsGroup: users}", "MR324", manifest="cron"),
    "schedule of Argo 3": Mistake(
        '  schedules:\n    - 0 6 * * 1-5\n    - "*/15 0,12 1-15/2 1 0"\n    - "@every 1h30m"\n',
        "  schedule: 0 6 * * 1\n",
        "MR323",
        manifest="cron",
    ),
    "env value 1e3": Mistake('value: "1e3"', "value: 1e3", "MR324", _t("b")),
    "env value y": Mistake('value: "1e3"', "value: y", "MR324", _t("b")),
    "parameter no": Mistake("{name: step, value: p.d}", "{name: step, value: no}", "MR324", _t("p", "d")),
    "task called n": Mistake(
        "          - name: e\n", "          - name: n\n", "MR324", _t("p") + ", a task without a name"
    ),
    "amount without quotes": Mistake('{cpu: "2"', "{cpu: 1.5", "MR324"),
    "parameter 0755": Mistake("{name: step, value: p.e}", "{name: step, value: 0755}", "MR324", _t("p", "e")),
    "label true": Mistake("          team: data", "          team: on", "MR324", _t("step")),
    "arg is a number": Mistake('--attempt, "{{retries}}"', "--attempt, 1", "MR324", _t("b")),
    "deadline in quotes": Mistake("activeDeadlineSeconds: 86400", 'activeDeadlineSeconds: "86400"', "MR324"),
    "failFast in quotes": Mistake(
        "      parallelism: 2\n      dag:\n        failFast: false",
        '      parallelism: 2\n      dag:\n        failFast: "no"',
        "MR324",
        _t("p"),
    ),
    "env is a mapping": Mistake(
        '        env:\n          - name: LEVEL\n            value: "1e3"',
        "        env: {LEVEL: x}",
        "MR324",
        _t("b"),
    ),
    "parameters is a mapping": Mistake(
        "arguments: {parameters: [{name: step, value: p.d}]}",
        "arguments: {parameters: {step: p.d}}",
        "MR324",
        _t("p", "d"),
    ),
    "parallelism 0": Mistake("  parallelism: 20", "  parallelism: 0", "MR324"),
    "volume without a name": Mistake("    - name: store\n", "    - readOnly: true\n", "MR325"),
    "mount without a path": Mistake(
        "          - {name: scratch, mountPath: /scratch}", "          - {name: scratch}", "MR325", _t("own")
    ),
    "dag without tasks": Mistake(
        '        tasks:\n          - name: record\n            when: "{{workflow.status}} != Succeeded"\n'
        "            template: step\n            arguments:\n              parameters:\n"
        "                - {name: step, value: fail}\n",
        "        tasks: []\n",
        "MR325",
        _t("exit"),
    ),
    # templates
    "template name twice": Mistake("    - name: count\n", "    - name: step\n", "MR326", _t("step")),
    "template name with a capital": Mistake(
        "    - name: own\n      volumes", "    - name: Own\n      volumes", "MR326", _t("Own")
    ),
    "template name with a dot": Mistake(
        "    - name: own\n      volumes", "    - name: o.wn\n      volumes", "MR326", _t("o.wn")
    ),
    "long template name": Mistake(
        "    - name: own\n      volumes", f"    - name: {'x' * 129}\n      volumes", "MR326", _t("x" * 129)
    ),
    "no type": Mistake('      suspend:\n        duration: "0"\n', "", "MR327", _t("pass")),
    "two types": Mistake(
        "      suspend:\n", "      container: {image: a, command: [b]}\n      suspend:\n", "MR327", _t("pass")
    ),
    "deadline of a dag": Mistake(
        "      parallelism: 2\n", "      activeDeadlineSeconds: 2\n", "MR327", _t("p")
    ),
    "parallelism of a container": Mistake(
        "      activeDeadlineSeconds: 3660", "      parallelism: 1", "MR327", _t("b")
    ),
    "unknown entrypoint": Mistake("  entrypoint: pipeline", "  entrypoint: pipelines", "MR328"),
    "unknown onExit": Mistake("  onExit: exit", "  onExit: exits", "MR328"),
    "unknown template": Mistake(
        "            template: own\n", "            template: owned\n", "MR328", _t("pipeline", "own")
    ),
    "unknown template elsewhere": Mistake(
        "              template: inner",
        "              template: innner",
        "MR328",
        _t("pipeline", "part"),
        "pair",
    ),
    # tasks
    "task name twice": Mistake("          - name: e\n", "          - name: d\n", "MR329", _t("p", "d")),
    "task name with an underscore": Mistake(
        "          - name: e\n", "          - name: e_e\n", "MR329", _t("p", "e_e")
    ),
    "task name begins with a digit": Mistake(
        _LINES, _LINES.replace("lines", "1lines"), "MR329", _t("pipeline", "1lines")
    ),
    "reserved task name": Mistake(
        _LINES, _LINES.replace("name: lines", "name: not"), "MR329", _t("pipeline", "not")
    ),
    "template and templateRef": Mistake(
        "            template: own\n",
        "            template: own\n            templateRef: {name: a, template: b}\n",
        "MR330",
        _t("pipeline", "own"),
    ),
    "no template": Mistake("            template: own\n", "", "MR330", _t("pipeline", "own")),
    "withParam and withItems": Mistake(
        "            depends: count-n.Succeeded\n",
        "            depends: count-n.Succeeded\n            withItems: [1]\n",
        "MR330",
        _t("m-branch", "inner"),
    ),
    "depends and dependencies": Mistake(
        _LINES, "          - name: lines\n            dependencies: [p]\n", "MR330", _t("pipeline")
    ),
    "continueOn beside depends": Mistake(
        "            template: own\n",
        "            template: own\n            continueOn: {failed: true}\n",
        "MR330",
        _t("pipeline", "own"),
    ),
    "depends on no task": Mistake(_LINES, _LINES.replace("p.S", "q.S"), "MR331", _t("pipeline", "lines")),
    "depends cannot be parsed": Mistake(
        _P_DEPENDS, "depends: (m.Succeeded || m.Skipped", "MR331", _t("pipeline", "p")
    ),
    "depends with a single bar": Mistake(
        _P_DEPENDS, "depends: m.Succeeded | m.Skipped", "MR331", _t("pipeline", "p")
    ),
    "unknown result": Mistake(
        _LINES, _LINES.replace("p.Succeeded", "p.Success"), "MR331", _t("pipeline", "lines")
    ),
    "items' result of a task": Mistake(
        _LINES, _LINES.replace("p.Succeeded", "p.AnySucceeded"), "MR331", _t("pipeline", "lines")
    ),
    "cycle": Mistake(_A, _A + "            depends: own.Succeeded\n", "MR332", _t("pipeline")),
    "cycle of one": Mistake(_LINES, _LINES.replace("p.S", "lines.S"), "MR332", _t("pipeline")),
    "two leaves": Mistake("own.Succeeded && fail.Omitted", "own.Succeeded", "MR333", _t("pipeline")),
    "bare name": Mistake(_LINES, _LINES.replace("p.Succeeded", "p"), "MR334", _t("pipeline", "lines")),
    "empty list not accepted": Mistake(_P_DEPENDS, "depends: m.Succeeded", "MR335", _t("pipeline", "p")),
    "when not accepted": Mistake(
        "            template: own\n",
        '            template: own\n            when: "{{workflow.name}} == x"\n',
        "MR335",
        _t("pipeline", "success"),
    ),
    "withParam of no ancestor": Mistake(_M_DEPENDS, "", "MR336", _t("pipeline", "m")),
    "argument of no ancestor": Mistake(
        "            depends: part.Succeeded\n", "", "MR336", _t("pipeline", "after"), "pair"
    ),
    # parameters
    "parameter with a dot": Mistake("      - name: use-cached", "      - name: use.cached", "MR337"),
    "parameter twice": Mistake("      - name: use-cached", "      - name: parameters", "MR337"),
    "argument without a value": Mistake("{name: step, value: p.d}", "{name: step}", "MR337", _t("p", "d")),
    "argument with an empty value": Mistake(
        "{name: step, value: p.d}", "{name: step, value: }", "MR337", _t("p", "d")
    ),
    "parameter of a cron without a value": Mistake(
        '        - name: run-id\n          value: ""', "        - name: run-id", "MR337", manifest="cron"
    ),
    "value not in enum": Mistake(
        '      - name: use-cached\n        value: ""',
        "      - name: use-cached\n        value: c\n        enum: [a, b]",
        "MR337",
    ),
    "output without a path": Mistake(
        _OUTPUT, '            valueFrom:\n              expression: "1"\n', "MR337", _t("count")
    ),
    "output without valueFrom": Mistake(_OUTPUT + '              default: "[]"\n', "", "MR337", _t("count")),
    "output of a dag by path": Mistake(
        'valueFrom: {parameter: "{{tasks.say.outputs.parameters.text}}"}',
        "valueFrom: {path: /tmp/x}",
        "MR337",
        _t("inner"),
        "pair",
    ),
    "input not given": Mistake(
        "arguments: {parameters: [{name: step, value: p.d}]}", "arguments: {}", "MR338", _t("p", "d")
    ),
    "input unknown": Mistake("{name: step, value: p.d}", "{name: stop, value: p.d}", "MR338", _t("p", "d")),
    "input not given elsewhere": Mistake(
        "{name: who, value: \"it's", "{name: greeting, value: \"it's", "MR338", _t("pipeline", "part"), "pair"
    ),
    "entrypoint needs an input": Mistake("  entrypoint: pipeline", "  entrypoint: m-branch", "MR338"),
    # references
    "input not declared": Mistake(_STEP_ARGS, 'args: ["{{inputs.parameters.stop}}"]', "MR339", _t("step")),
    "input of a dag not declared": Mistake(
        '"{{inputs.parameters.branch}}.n.{{item}}"',
        '"{{inputs.parameters.branche}}"',
        "MR339",
        _t("m-branch", "inner"),
    ),
    "task unknown": Mistake(
        "{{tasks.count-n.outputs", "{{tasks.count.outputs", "MR339", _t("m-branch", "inner")
    ),
    "output unknown": Mistake(
        "{{tasks.a.outputs.parameters.items}}",
        "{{tasks.a.outputs.parameters.item}}",
        "MR339",
        _t("pipeline", "m"),
    ),
    "output of a task of its kind": Mistake(
        "{{tasks.a.outputs.parameters.items}}", "{{tasks.a.output.items}}", "MR339", _t("pipeline", "m")
    ),
    "output of another object": Mistake(
        "{{tasks.part.outputs.parameters.text}}",
        "{{tasks.part.outputs.parameters.txt}}",
        "MR339",
        _t("pipeline", "after"),
        "pair",
    ),
    "task in a leaf": Mistake(_STEP_ARGS, 'args: ["{{tasks.a.status}}"]', "MR339", _t("step")),
    "workflow's parameter": Mistake(
        '{{workflow.parameters.run-id}}", "{{workflow.s',
        '{{workflow.parameters.runid}}", "{{workflow.s',
        "MR339",
        _t("pipeline"),
        "cron",
    ),
    "workflow's field": Mistake("{{workflow.uid}}", "{{workflow.uuid}}", "MR339"),
    "input in an expression": Mistake(
        _STEP_ARGS, "args: [\"{{=inputs.parameters['stop']}}\"]", "MR339", _t("step")
    ),
    "retries without a strategy": Mistake(_STEP_ARGS, 'args: ["{{retries}}"]', "MR339", _t("step")),
    "item without a loop": Mistake(
        '            withParam: "{{tasks.a.outputs.parameters.items}}"\n', "", "MR340", _t("pipeline", "m")
    ),
    "item in a leaf": Mistake(_STEP_ARGS, 'args: ["{{item}}"]', "MR340", _t("step")),
    "unknown tag in data": Mistake(_STEP_ARGS, 'args: ["{{ user }}"]', "MR341", _t("step")),
    "typo in a tag": Mistake(_STEP_ARGS, 'args: ["{{input.parameters.step}}"]', "MR341", _t("step")),
    "braces in data": Mistake(_STEP_ARGS, 'args: ["{{"]', "MR341", _t("step")),
    "braces hide a reference": Mistake(
        _STEP_ARGS, 'args: ["{{ {{inputs.parameters.step}}"]', "MR341", _t("step")
    ),
    "braces in a script": Mistake('echo "$MAGNUS_STEP"', "echo '{{'", "MR341", _t("lines")),
    "hyphen in an expression": Mistake(_EXPRESSION, "{{=workflow.parameters.run-id}}", "MR342"),
    "bracket in an expression": Mistake(_EXPRESSION, "{{=sprig.b64enc(workflow.name}}", "MR342"),
    "quote in an expression": Mistake(_EXPRESSION, "{{=workflow.parameters['run-id]}}", "MR342"),
    "map in an expression": Mistake(_EXPRESSION, "{{=toJson({'a': {'b': 1}})}}", "MR342"),
    "withParam is no list": Mistake(
        'withParam: "{{tasks.a.outputs.parameters.items}}"', "withParam: items", "MR343", _t("pipeline", "m")
    ),
    "withSequence without an end": Mistake(
        'withParam: "{{tasks.a.outputs.parameters.items}}"',
        'withSequence: {start: "1"}',
        "MR343",
        _t("pipeline", "m"),
    ),
    # containers
    "no image": Mistake(
        "    script:\n      image: registry.example/project:1.4.2\n", "", "MR344", _t("lines")
    ),
    "no command": Mistake("      command: [magnus, execute_single_node]\n", "", "MR345", _t("step")),
    "image with a blank": Mistake("/gpu:1.4.2", "/gpu 1.4.2", "MR344", _t("b")),
    "image with capitals": Mistake("/gpu:1.4.2", "/GPU:1.4.2", "MR344", _t("b")),
    "variable twice": Mistake("        - name: MAGNUS_WALK", "        - name: MAGNUS_RUN_ID", "MR346"),
    "variable begins with a digit": Mistake(
        "          - name: LEVEL", "          - name: 1LEVEL", "MR346", _t("b")
    ),
    "variable with a blank": Mistake("          - name: LEVEL", "          - name: A B", "MR346", _t("b")),
    "value and valueFrom": Mistake(
        "        - name: DB_PASSWORD\n", "        - name: DB_PASSWORD\n          value: x\n", "MR346"
    ),
    "secret without a key": Mistake(_SECRET, "secretKeyRef: {name: database}", "MR347"),
    "secret without a name": Mistake(_SECRET, "secretKeyRef: {key: password}", "MR347"),
    "variable in args": Mistake("$$(HOME) and", "$(HOME) and", "MR348", _t("step")),
    "variable in env": Mistake('value: "1e3"', "value: $(NOT_THERE)", "MR348", _t("b")),
    "volume not defined": Mistake(_STORE, "", "MR349", _t("step")),
    "mount of an unknown volume": Mistake(
        "{name: scratch, mountPath", "{name: scrach, mountPath", "MR349", _t("own")
    ),
    "volume twice": Mistake(_STORE, _STORE + "    - name: store\n      emptyDir: {}\n", "MR349"),
    "volume's name": Mistake("        - name: scratch\n", "        - name: Scratch\n", "MR349", _t("own")),
    "volume without a source": Mistake("          emptyDir: {}\n", "", "MR349", _t("own")),
    "relative mount": Mistake("mountPath: /scratch", "mountPath: scratch", "MR349", _t("own")),
    "two mounts at one path": Mistake(
        "          - {name: scratch, mountPath: /scratch}",
        "          - {name: scratch, mountPath: /scratch}\n          - {name: store, mountPath: /scratch}",
        "MR349",
        _t("own"),
    ),
    "amount": Mistake("memory: 16Gi", "memory: 16GB", "MR350", _t("b")),
    "request above limit": Mistake("memory: 512Mi", "memory: 512Gi", "MR350"),
    "limit below the request of all": Mistake("{memory: 16Gi", "{memory: 256Mi", "MR350", _t("b")),
    "patch that is no mapping": Mistake(
        "terminationGracePeriodSeconds: 120", "- a\n      ---", "MR361", manifest="cron"
    ),
    "patch that is not YAML": Mistake("[{name: main", "[[name: main", "MR361", manifest="cron"),
    # retries and time
    "retry limit": Mistake('limit: "2"', 'limit: "2.5"', "MR351", _t("b")),
    "retry policy": Mistake("retryPolicy: Always", "retryPolicy: always", "MR351", _t("b")),
    "factor not whole": Mistake("factor: 2", 'factor: "1.5"', "MR351", _t("b")),
    "backoff without duration": Mistake("{duration: 10s, factor", "{factor", "MR351", _t("b")),
    "no retry policy": Mistake(_RETRY, "", "MR352", _t("b")),
    "duration in days": Mistake("maxDuration: 1h30m", "maxDuration: 1d", "MR353", _t("b")),
    "duration in words": Mistake("duration: 10s", "duration: 10 s", "MR353", _t("b")),
    "timeout without a unit": Mistake("activeDeadlineSeconds: 3660", 'timeout: "3660"', "MR353", _t("b")),
    "deadline with a unit": Mistake(
        "activeDeadlineSeconds: 3660", "activeDeadlineSeconds: 1h", "MR353", _t("b")
    ),
    "six fields": Mistake("0 6 * * 1-5", "0 0 6 * * 1-5", "MR354", manifest="cron"),
    "weekday 7": Mistake("0 6 * * 1-5", "0 6 * * 7", "MR354", manifest="cron"),
    "hour 24": Mistake("0 6 * * 1-5", "0 24 * * 1", "MR354", manifest="cron"),
    "schedule twice": Mistake('"@every 1h30m"', "0 6  * * 1-5", "MR354", manifest="cron"),
    "days by name": Mistake("0 6 * * 1-5", "0 6 * * MON-FRI", "MR354", manifest="cron"),
    "time zone in a schedule": Mistake(
        "0 6 * * 1-5", "CRON_TZ=Europe/Berlin 0 6 * * 1-5", "MR354", manifest="cron"
    ),
    "hours with a fraction": Mistake("@every 1h30m", "@every 1.5h", "MR354", manifest="cron"),
    "schedule in words": Mistake('"@every 1h30m"', '"@nightly"', "MR354", manifest="cron"),
    "timezone": Mistake("Europe/Berlin", "Europe/Berlino", "MR354", manifest="cron"),
    "podGC": Mistake("OnPodSuccess", "OnPodSucceeded", "MR355"),
    "concurrencyPolicy": Mistake("Forbid", "Never", "MR355", manifest="cron"),
    "pull policy": Mistake("IfNotPresent", "IfNotpresent", "MR355"),
    "toleration": Mistake("operator: Equal", "operator: Equals", "MR355"),
    # conditionals
    "when without quotes": Mistake(
        "'{{inputs.parameters.choice}}' == 'good'",
        "{{inputs.parameters.choice}} == good",
        "MR362",
        _t("pick", "good"),
        "choice",
    ),
    "quote not closed": Mistake("== 'good'\"", "== 'good\"", "MR362", _t("pick", "good"), "choice"),
    "slug of no branch": Mistake("== 'good'", "== 'god'", "MR363", _t("pick", "good"), "choice"),
    "slug of another branch": Mistake("== '3'", "== 'good'", "MR363", _t("pick", "n-3"), "choice"),
    "two branches at once": Mistake("== 'default'", "== 'good'", "MR363", _t("pick"), "choice"),
    "branch without when": Mistake(
        "            when: \"'{{inputs.parameters.choice}}' == 'default'\"\n",
        "",
        "MR363",
        _t("pick"),
        "choice",
    ),
    "branch of another choice": Mistake(
        "'{{inputs.parameters.choice}}' == 'default'",
        "'{{workflow.name}}' == 'default'",
        "MR363",
        _t("pick"),
        "choice",
    ),
    "steps of another branch": Mistake(
        "            template: pick-3\n",
        "            template: pick-good\n",
        "MR363",
        _t("pick", "n-3"),
        "choice",
    ),
    "nothing chosen is a success": Mistake(
        _NO_BRANCH + _CHOSEN, _CHOSEN.replace(" && no-branch.Omitted", ""), "MR363", _t("pick"), "choice"
    ),
    "nothing chosen is a leaf of its own": Mistake(
        " && no-branch.Omitted", "", "MR333", _t("pick"), "choice"
    ),
    "nothing chosen is an empty list": Mistake(
        'withParam: "choice: {{inputs.parameters.choice}}"', 'withParam: "[]"', "MR363", _t("pick"), "choice"
    ),
    "nothing chosen is looked for too late": Mistake(
        "depends: good.Skipped && n-3.Skipped",
        "depends: good.Succeeded && n-3.Skipped",
        "MR363",
        _t("pick"),
        "choice",
    ),
    "success of a branch not accepted": Mistake(
        "(good.Succeeded || n-3.Succeeded ||",
        "(good.Succeeded && !n-3.Succeeded ||",
        "MR363",
        _t("pick"),
        "choice",
    ),
    "success of all branches": Mistake(
        "(good.Succeeded || n-3.Succeeded || default.Succeeded)",
        "(good.Succeeded && n-3.Succeeded && default.Succeeded)",
        "MR363",
        _t("pick"),
        "choice",
    ),
    "failure of a branch leads on": Mistake(
        "(good.Succeeded ||", "(good.Succeeded || good.Failed ||", "MR363", _t("pick"), "choice"
    ),
    "no last task behind branches": Mistake(_CHOSEN, "", "MR363", _t("pick"), "choice"),
    "nothing chosen beside a branch": Mistake(
        "default.Skipped\n", "n-3.Skipped\n", "MR363", _t("pick"), "choice"
    ),
    "choice of no ancestor": Mistake(
        "            depends: assess.Succeeded\n", "", "MR336", _t("pipeline", "pick"), "choice"
    ),
    "choice of an earlier task": Mistake(
        "{{tasks.assess.", "{{tasks.first.", "MR363", _t("pipeline", "pick"), "choice"
    ),
    "choice that nobody makes": Mistake(
        '"{{tasks.assess.outputs.parameters.choice}}"', "good", "MR363", _t("pipeline", "pick"), "choice"
    ),
    "choice not handed over": Mistake(_CHOICE, "", "MR338", _t("pipeline", "pick"), "choice"),
    "choice not declared": Mistake(
        "      inputs: {parameters: [{name: choice}]}\n", "", "MR339", _t("pick", "good"), "choice"
    ),
    "choice by default": Mistake(
        "default: no branch was chosen", "default: good", "MR363", _t("pipeline", "pick"), "choice"
    ),
    # conditions of steps
    "skip not accepted": Mistake(" || tune.Skipped", "", "MR335", _t("pipeline", "report"), "when"),
    "step's choice of an earlier task": Mistake(
        "{{tasks.assess.", "{{tasks.first.", "MR363", _t("pipeline", "tune"), "when"
    ),
    "step's choice of no ancestor": Mistake(
        "            depends: assess.Succeeded\n", "", "MR336", _t("pipeline", "tune"), "when"
    ),
    "step's choice without quotes": Mistake(
        "'{{tasks.assess.outputs.parameters.choice}}'",
        "{{tasks.assess.outputs.parameters.choice}}",
        "MR362",
        _t("pipeline", "tune"),
        "when",
    ),
    "skip by default": Mistake(
        "default: nothing was decided", "default: skip", "MR363", _t("pipeline", "tune"), "when"
    ),
    # across objects
    "caller lacks a parameter": Mistake(
        "      - name: run-id\n", "      - name: run\n", "MR359", _t("pipeline", "part"), "pair"
    ),
    "caller lacks the image": Mistake(
        "  templateDefaults: {container: {image: busybox, command: [echo]}}  # the caller's\n",
        "",
        "MR359",
        _t("pipeline", "part"),
        "pair",
    ),
    "caller lacks a volume": Mistake(
        _SHARED + "  templateDefaults: {container: {image: busybox, command: [echo]}}  # the caller's\n",
        "  templateDefaults: {container: {image: busybox, command: [echo]}}\n",
        "MR359",
        _t("pipeline", "part"),
        "pair",
    ),
}

_ALONE = """
annotation's key, node selector, depends cannot be parsed, depends with a
single bar, two leaves, bare name, empty list not accepted, when not accepted, withParam of no ancestor,
entrypoint needs an input, workflow's field, input in an expression, retries without a strategy, item
without a loop, item in a leaf, unknown tag in data, typo in a tag, braces in data, braces hide a reference,
braces in a script, hyphen in an expression, bracket in an expression, quote in an expression, map in an
expression, withParam is no list, withSequence without an end, no command, variable begins with a digit,
variable with a blank, value and valueFrom, secret without a name, variable in args, variable in env, volume
not defined, mount of an unknown volume, volume twice, volume's name, volume without a source, relative
mount, request above limit, retry limit, factor not whole, backoff without duration, no retry policy,
duration in days, duration in words, pull policy, toleration, caller lacks a volume, caller lacks the image,
label of runs, image with a blank, image with capitals, limit below the request of all, schedule twice,
label of scheduled runs, typo in a patch, typo deep in a patch, patch of the wrong kind,
patch that is no mapping, patch that is not YAML,
branch of another choice, nothing chosen beside a branch, branch without when, choice by default, choice of an
earlier task, choice that nobody makes, failure of a branch leads on, no last task behind branches, nothing chosen is a
leaf of its own, nothing chosen is a success, nothing chosen is an empty list, nothing chosen is looked for too late,
quote not closed, slug of another branch, slug of no branch, steps of another branch, success of a branch not accepted,
success of all branches, two branches at once, when without quotes,
skip not accepted, step's choice of an earlier task, step's choice of no ancestor, step's choice without quotes,
skip by default
"""
OURS_ALONE = frozenset(" ".join(_ALONE.split()).split(", "))
"""Mistakes that no version of Argo finds, neither by its lint nor by its full CRDs."""
NEWER_ALONE = frozenset(
    {
        "days by name",
        "hours with a fraction",
        "parallelism 0",
        "schedule of Argo 3",
        "time zone in a schedule",
        "timezone",
    }
)
"""What Argo's older version lets through, and the newer one refuses."""
