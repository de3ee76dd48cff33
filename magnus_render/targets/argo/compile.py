"""From graphs to DAG templates: which tasks a plan becomes, in reading order, and what each depends on.

Every graph becomes a DAG template. A composite's task refers to the template of its branches; a map's runs that template
once for each index. Argo takes the phase of a DAG from the tasks that no other task depends on. Each DAG has exactly one of
these, but for the one around a bounded parallel: the success node, which depends on what leads to it. A graph that does
not come to its success node fails with the task that failed. So a fail node is a task only where a success leads to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magnus_render import naming
from magnus_render.graph.view import View
from magnus_render.plan import AS_IS, CONDITIONAL, DECIDED, MAP, PARALLEL, SKIP, TASK
from magnus_render.targets.argo import names
from magnus_render.targets.argo.depends import BAD, OK, Depends, is_bounded
from magnus_render.targets.argo.model import BRANCH, CHOICE, ITEMS, Dag, Manifest, Task
from magnus_render.targets.argo.split import in_parts
from magnus_render.targets.base import condition_title, graph_title

if TYPE_CHECKING:
    from collections.abc import Callable

    from magnus_render.plan import Graph, Node, Plan
    from magnus_render.targets.argo.containers import Steps


def compile_plan(plan: Plan, steps: Steps, text: Callable[[Node], Any]) -> list[Manifest]:
    """Return the pipeline's DAG templates and, behind them, those of its separate dags, in reading order.

    `text` gives what the user wrote for an as-is: a script, a template, None if there is nothing.
    """
    compiler = _Compiler(plan, steps, text)
    manifests = [compiler.manifest("")]
    for address in compiler.separate:
        manifests.append(compiler.manifest(address))
    return manifests


class _Compiler:
    def __init__(self, plan: Plan, steps: Steps, text: Callable[[Node], Any]) -> None:
        self.plan = plan
        self.steps = steps
        self.text = text
        self.view = View(plan, text)
        self.separate: list[str] = []

    def manifest(self, address: str) -> Manifest:
        """Return the DAG templates of the root graph, or of the separate dag at an address."""
        root = self.view.inner(self.plan["nodes"][address])["address"] if address else ""
        self.steps.begin(bool(address))
        dags: list[Dag] = []
        waiting: list[Dag | tuple[str, str]] = [(root, names.PIPELINE)]
        while waiting:
            found = waiting.pop()
            if isinstance(found, tuple):
                self.inside: list[Dag | tuple[str, str]] = []
                found = self._graph(self.plan["graphs"][found[0]], found[1])
                waiting += reversed(self.inside)
            dags.append(found)
        dags = [part for dag in dags for part in in_parts(dag, self.steps)]
        recorder = None
        if not address:
            fail = self.plan["nodes"][self.plan["graphs"][""]["fail"]]
            recorder = Task(names.RECORD, *self.steps.call(fail))
        brace = self.steps.brace()
        return Manifest(dags, self.steps.in_order(), brace, address, recorder)

    # ---- graphs ----

    def _graph(self, head: Graph, name: str) -> Dag:
        """Return the template of a graph; `inside` gets those of its composites, as templates or as graphs to come."""
        self.depends = Depends(head, self.view, self.text)
        self.names = self.depends.names
        tasks: list[Task] = []
        for slug in self.depends.slugs:
            tasks += self._confirmation(slug) + self._tasks(self.depends.node(slug))
        tasks += self._ends()
        if not head["address"] and (not self.view.surely_calls(head) or self._acts_first(head)):
            tasks = self._recorded(tasks)
        return Dag(name, graph_title(self.plan, head["address"]), tasks, self._inputs(head["address"]))

    def _ends(self) -> list[Task]:
        """Return the tasks of the status nodes: the fail node's only if a success leads there."""
        head = self.depends.head
        success, fail = head["success"], head["fail"]
        ends = self._confirmation(success)
        arriving = self.depends.arriving(success)
        leading = [
            f"{self.depends.last(node, slug)}.{phase}"
            for slug in self.depends.slugs
            if (node := self.depends.node(slug))["next"]["slug"] == fail
            for phase in self.depends.good(node)
        ]
        # A task that records a failure without a handler leads to the fail node; without such a task success must not run.
        recorders = [
            self.names[f"{slug}: failed"]
            for slug in self.depends.slugs
            if f"{slug}: failed" in self.names and self.view.edges(self.depends.node(slug))[1] == fail
        ]
        starts_to_fail = head["start"] == fail
        if leading or starts_to_fail:
            leading += [f"{name}.{phase}" for name in recorders for phase in BAD]
            recorders = []
            node = self.depends.node(fail)
            task = Task(
                self.names[fail], *self.steps.call(node), depends=leading, unless=arriving, title=node["name"]
            )
            ends.append(task)
        if success in self.depends.reached:
            task = Task(
                self.names[success],
                self.steps.nothing(),
                depends=arriving,
                title=self.depends.node(success)["name"],
            )
            never = [self.names[fail]] if leading else recorders
            task.only_if = " && ".join(f"{name}.Omitted" for name in never)
            ends.append(task)
        return ends

    def _confirmation(self, slug: str) -> list[Task]:
        """Return the callback that confirms the failures that lead to a node, before the node runs; [] if none must be."""
        failures = [
            one
            for before in self.depends.node(slug)["before"]
            if before["via"] == "on_failure" and before["slug"] in self.depends.reached
            if self.view.must_confirm(failed := self.depends.node(before["slug"]))
            and self.depends.is_confirmed_there(failed)
            for one in self.depends.ended_badly(failed, before["slug"])
        ]
        if not failures:
            return []
        call = self.steps.call(self.depends.node(slug), confirm=True)
        name = self.names[f"{slug}: confirm"]
        return [Task(name, *call, depends=failures, title="is the failure on record?")]

    def _acts_first(self, head: Graph) -> bool:
        """Tell whether a text of the user's is run before anything has called back."""
        slug = head["start"]
        while slug not in (head["success"], head["fail"]):
            node = self.view.node(head, slug)
            if node["type"] in (TASK, *DECIDED):
                return False
            inside = self.view.inner_graphs(node)
            if (node["type"] == AS_IS and not self.view.is_silent(node)) or any(
                map(self._acts_first, inside)
            ):
                return True
            if any(map(self.view.surely_calls, inside)):
                return False
            slug = node["next"]["slug"]
        return False

    def _recorded(self, tasks: list[Task]) -> list[Task]:
        """Return the tasks of a pipeline in which nothing calls back, behind one that creates the run."""
        name = self.names[": record"]
        record = Task(
            name, *self.steps.start_run(self.depends.node(self.depends.head["fail"])), title="creates the run"
        )
        for task in tasks:
            if not task.depends and not task.unless:
                task.depends = [f"{name}.Succeeded"]
        return [record, *tasks]

    # ---- nodes ----

    def _tasks(self, node: Node) -> list[Task]:
        """Return the tasks that a node becomes."""
        slug = naming.last(node["address"])
        tasks = self._own_tasks(node, slug)
        if self.view.must_confirm(node) and not self.depends.is_confirmed_there(node):
            call = self.steps.call(node, confirm=True)
            bad = self.depends.ended_badly(node, slug)
            tasks.append(Task(self.names[f"{slug}: failed"], *call, depends=bad, title="record its failure"))
        return tasks

    def _own_tasks(self, node: Node, slug: str) -> list[Task]:
        kind = node["type"]
        task = Task(
            self.names[slug],
            "",
            depends=self.depends.arriving(slug),
            address=node["address"],
            title=node["name"],
            description=node.get("description", ""),
        )
        if kind == TASK:
            tasks = self._where_it_holds(node, slug, task) if "when" in node else [task]
            task.template, task.arguments = self.steps.call(node, decides=self._decides(node))
            return tasks
        if kind == AS_IS:
            return self._as_is(node, slug, task)
        if kind == MAP:
            return self._map(node, slug, task)
        if kind == PARALLEL:
            return self._parallel(node, slug, task)
        if kind == CONDITIONAL:
            return self._conditional(node, slug, task)
        return [self._dag(node, task)]

    def _decides(self, node: Node) -> str:
        """Return the type of a task's successor if the hand-over of the task decides something for it, else ''.

        Example: a task before a map counts its items, so this is `map`.
        """
        return node["next"]["type"] if self.view.counts(node) else ""

    def _as_is(self, node: Node, slug: str, task: Task) -> list[Task]:
        text = self.text(node)
        if text is None:
            task.template = self.steps.nothing()
            return [task]
        if isinstance(text, str):
            task.template, task.arguments = self.steps.script(node, text)
            return [task]
        task.template, task.arguments = self.steps.native(node, text)
        tasks, own = [task], f"{task.name}."
        if self.depends.is_recorded(node):
            name = self.names[f"{slug}: record"]
            call = self.steps.call(node, exit_status=0)
            tasks.append(Task(name, *call, depends=[own + phase for phase in OK], title="record its success"))
        if not self.view.must_confirm(node):
            name = self.names[f"{slug}: failed"]
            call = self.steps.call(node, exit_status=1)
            tasks.append(
                Task(name, *call, depends=[own + phase for phase in BAD], title="record its failure")
            )
        return tasks

    def _map(self, node: Node, slug: str, task: Task) -> list[Task]:
        title = f"counts the items of {node['name']}"
        tasks, listed = self._decided(node, task, f"{slug}: items", "map_count", ITEMS, title)
        branch = {BRANCH: f"{self.steps.address(node['address'])}.{{{{item}}}}"}
        inner = self.view.inner(node)["address"]
        inside = self.steps.template(inner)
        if not is_bounded(node):
            self.inside.append((inner, inside))
            task.template, task.arguments, task.items = inside, branch, listed
            return tasks
        task.template = self.steps.template(node["address"])
        outer = self._inputs(naming.parent(node["address"]))
        task.arguments = {**self._pass_on(outer), ITEMS: listed}
        each = Task(
            names.task_name("each"), inside, arguments=branch, items=f"{{{{inputs.parameters.{ITEMS}}}}}"
        )
        title = f"the items of {node['path']}"
        around = Dag(task.template, title, [each], [*outer, ITEMS])
        around.fail_fast, around.parallelism = bool(node["fail_fast"]), node["max_concurrency"]
        self.inside += [around, (inner, inside)]
        return tasks

    def _decided(
        self, node: Node, task: Task, helper: str, command: str, output: str, title: str
    ) -> tuple[list[Task], str]:
        """Return a task that needs a decision, and a reference to that decision.

        If no step decides, the callback that does comes first. `helper` is the callback's key among the names of tasks.
        """
        if node["counted_by"]:
            tasks, decider = [task], self.names[node["counted_by"]]
        else:
            decider = self.names[helper]
            call = self.steps.call(node, command=command, decides=node["type"])
            tasks = [Task(decider, *call, depends=task.depends, title=title), task]
            task.depends = [f"{decider}.Succeeded"]
        return tasks, f"{{{{tasks.{decider}.outputs.parameters.{output}}}}}"

    def _where_it_holds(self, node: Node, slug: str, task: Task) -> list[Task]:
        """Return the task of a step that has a condition. Argo skips the task where the condition does not hold.

        Where no decision was handed over the task runs, and its own callback decides.
        """
        title = f"decides whether {node['name']} runs"
        tasks, chosen = self._decided(node, task, f"{slug}: choice", "choose", CHOICE, title)
        # With quotes on both sides Argo compares texts.
        task.when, task.remark = f"'{chosen}' != '{SKIP}'", condition_title(node)
        return tasks

    def _conditional(self, node: Node, slug: str, task: Task) -> list[Task]:
        """Return the task of a conditional; its template has all branches, and skips those that are not chosen.

        Argo lets a DAG succeed in which every task is skipped. So one more task must fail where no branch is chosen. It
        fails without a pod: it gets a text as its list of items, and Argo refuses a text that is no list.
        """
        title = f"chooses the branch of {node['name']}"
        tasks, chosen = self._decided(node, task, f"{slug}: choice", "choose", CHOICE, title)
        outer = self._inputs(naming.parent(node["address"]))
        task.template = self.steps.template(node["address"])
        task.arguments = {**self._pass_on(outer), CHOICE: chosen}
        title = f"the branches of {node['path']}: one runs, by the value of {node['parameter']}"
        around = Dag(task.template, title, [], [*outer, CHOICE])
        self.inside.append(around)
        branches = self._branches(node, ["no-branch", "success"])
        none = Task("no-branch", self.steps.nothing(), items=f"choice: {{{{inputs.parameters.{CHOICE}}}}}")
        none.title = "fails if no branch was chosen, for it is given no list"
        none.only_if = " && ".join(f"{one.name}.Skipped" for one in branches)
        end = Task("success", self.steps.nothing(), title="success")
        end.depends = [f"{one.name}.Succeeded" for one in branches]
        end.only_if = f"{none.name}.Omitted"
        around.tasks = [*branches, none, end]
        return tasks

    def _branches(self, node: Node, taken: list[str]) -> list[Task]:
        """Return a task for each branch of a parallel or conditional; `taken` are names of others beside them."""
        wanted = {branch["slug"]: names.task_name(branch["slug"]) for branch in node["branches"]}
        found, own = [], names.distinct(wanted, taken)
        arguments = self._pass_on(self._inputs(naming.parent(node["address"])))
        for branch in node["branches"]:
            graph = f"{node['address']}.{branch['slug']}"
            template = self.steps.template(graph)
            self.inside.append((graph, template))
            task = Task(own[branch["slug"]], template, arguments=arguments, title=branch["name"])
            if node["type"] == CONDITIONAL:
                # With quotes on both sides Argo compares texts. Without them 3, true and a-b are no texts to Argo.
                task.when = f"'{{{{inputs.parameters.{CHOICE}}}}}' == '{branch['slug']}'"
            found.append(task)
        return found

    def _parallel(self, node: Node, slug: str, task: Task) -> list[Task]:
        tasks = [task]
        if node["fan_in"]:
            name = self.names[f"{slug}: fan-in"]
            call = self.steps.call(node, command="fan_in")
            title = f"records what the branches of {node['name']} see"
            tasks.insert(0, Task(name, *call, depends=task.depends, title=title))
            task.depends = [f"{name}.Succeeded"]
        inputs = self._inputs(naming.parent(node["address"]))
        task.template, task.arguments = self.steps.template(node["address"]), self._pass_on(inputs)
        around = Dag(task.template, f"the branches of {node['path']}", [], inputs)
        around.fail_fast, around.parallelism = bool(node["fail_fast"]), node["max_concurrency"]
        self.inside.append(around)
        around.tasks = self._branches(node, ["success"])
        if around.parallelism is None:
            end = Task("success", self.steps.nothing(), title="success")
            end.only_if = " && ".join(f"{one.name}.Succeeded" for one in around.tasks)
            around.tasks.append(end)
        # With a bound there is no end task: the branches are the leaves of the DAG, and Argo looks at leaves in order.
        # It looks in any order at the tasks that an end task depends on. Then it may hold back a waiting branch before it
        # sees that another has ended, and nothing makes it look again.
        return tasks

    def _dag(self, node: Node, task: Task) -> Task:
        task.arguments = self._pass_on(self._inputs(naming.parent(node["address"])))
        if node["separate"]:
            self.separate.append(node["address"])
            task.reference, task.template = (
                names.object_name(self.plan["name"], node["address"]),
                names.PIPELINE,
            )
        else:
            inner = self.view.inner(node)["address"]
            task.template = self.steps.template(inner)
            self.inside.append((inner, task.template))
        return task

    def _inputs(self, graph: str) -> list[str]:
        """Return the inputs of a graph's template: within a map, which item it is run for."""
        return [BRANCH] if "_" in graph.split(".") else []

    @staticmethod
    def _pass_on(inputs: list[str]) -> dict[str, str]:
        return {name: f"{{{{inputs.parameters.{name}}}}}" for name in inputs}
