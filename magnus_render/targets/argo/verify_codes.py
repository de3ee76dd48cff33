"""Diagnostic codes of the check of Argo manifests: MR320 to MR379 (`magnus explain MR3xx`).

What is rendered passes these checks; where one fails, the native template of an `as-is` node, the configuration, a
template given by `--templates` or the size of the pipeline is the reason.
"""

from __future__ import annotations

from magnus_render.diagnostics import register

OBJECT = register(
    "MR320",
    "object is none that Argo can run",
    """
An object of the manifest has `apiVersion: argoproj.io/v1alpha1`, a `kind` (Workflow, WorkflowTemplate or CronWorkflow),
`metadata` and a `spec` with templates and the `entrypoint` to begin with. A Workflow that names a `workflowTemplateRef`
has no templates of its own.
""",
)
OBJECT_NAME = register(
    "MR321",
    "name of the object is not valid",
    """
A name has lowercase letters, digits, `-` and `.`, and begins and ends with a letter or digit. Argo puts it into labels:
at most 63 characters, 52 for a CronWorkflow, whose runs get a time behind it. Change `dag.name`.
""",
)
METADATA = register(
    "MR322",
    "label, annotation or selector is not valid",
    """
A key is `name` or `prefix/name`: the name has at most 63 letters, digits, `-`, `_` and `.`, with a letter or digit at
either end; the prefix is a DNS name. The value of a label or node selector follows the rule of the name, or is empty; an
annotation's is any text, 256 KiB for all of them.
""",
)
FIELD = register(
    "MR323",
    "field is not known here",
    """
The object has no field of this name at this place: Argo's lint and the full CRDs refuse it, the minimal CRDs ignore it.
Argo 4 has dropped some fields of older versions: write `schedules` (a list) for `schedule`, and the lists `mutexes` and
`semaphores` of `synchronization` for `mutex` and `semaphore`.
""",
)
VALUE = register(
    "MR324",
    "value is of the wrong kind",
    """
The field takes a value of another kind. As Kubernetes reads YAML, `y`, `n`, `no`, `on` and `off` are truth values and `1e3`,
`0755` and `1_000` numbers, unless they are quoted.

    value: "1e3"
""",
)
REQUIRED = register(
    "MR325",
    "required field is missing",
    """
The object cannot do without the field that the message names. The full CRDs refuse it, or the pod is refused later.
""",
)
TEMPLATE_NAME = register(
    "MR326",
    "template name is not valid",
    """
A template's name has at most 128 letters, digits and hyphens, and is unique in the object. That of a template which runs
as a pod has lowercase letters only: it becomes part of the pod's name, which Kubernetes refuses otherwise.
""",
)
TEMPLATE_TYPE = register(
    "MR327",
    "template does not say what it is",
    """
A template has exactly one of container, script, dag, steps, suspend, resource, containerSet, http, data and plugin. Some
fields belong to some types alone: `activeDeadlineSeconds` and `timeout` to those that run, `parallelism` to dag and
steps.
""",
)
REFERENCE = register(
    "MR328",
    "template does not exist",
    """
`entrypoint`, `onExit`, a hook or a task names a template that the object does not have, or `templateRef` one that the
other WorkflowTemplate does not have. Argo's lint refuses it.
""",
)
TASK_NAME = register(
    "MR329",
    "task name is not valid",
    """
A task's name has at most 128 letters, digits and hyphens, and is unique in its template. Where tasks depend on others it
begins with a letter, and is none of the words that mean something in an expression: in, or, and, not, matches, contains,
startsWith, endsWith, let, if, else, true, false, nil.
""",
)
EXCLUSIVE = register(
    "MR330",
    "fields exclude each other",
    """
A task has exactly one of `template`, `templateRef` and `inline`, and at most one of `withItems`, `withParam` and
`withSequence`. In a DAG either all tasks use `depends` or all use `dependencies`; `continueOn` goes with the latter only.
""",
)
DEPENDS = register(
    "MR331",
    "depends cannot be understood",
    """
`depends` combines results of tasks of the same DAG, `task.Result`, by `&&`, `||`, `!` and parentheses. Results are
Succeeded, Failed, Errored, Skipped, Omitted and Daemoned, and for a task with items AnySucceeded and AllFailed.

    depends: a.Succeeded && (b.Failed || b.Errored)
""",
)
CYCLE = register(
    "MR332",
    "tasks wait for each other",
    """
Each of the tasks depends, directly or through others, on itself: none of them would ever start.
""",
)
LEAVES = register(
    "MR333",
    "DAG has several ends",
    """
The phase of a DAG is that of its leaves, the tasks that no other depends on. Where tasks depend on others there must be
exactly one, or a failure that was handled still fails the workflow, and one that was not may go unseen.

    depends: last.Succeeded && fail.Omitted
""",
)
BARE = register(
    "MR334",
    "depends accepts more than success",
    """
A task's name alone in `depends`, and any in `dependencies`, means `(task.Succeeded || task.Skipped || task.Daemoned)`.
Write which results are meant.
""",
)
SKIPPED = register(
    "MR335",
    "nothing follows an empty list",
    """
A task whose list has no items, or whose `when` is false, ends as Skipped: what waits for its success is left out, and so
is all that follows.

    depends: map.Succeeded || map.Skipped
""",
)
ANCESTOR = register(
    "MR336",
    "task uses what may not be there yet",
    """
A task can use outputs and status of those tasks only that it depends on, directly or through others. Else the two may run
at the same time, and Argo leaves the reference as it is. Name the task in `depends`.
""",
)
PARAMETER = register(
    "MR337",
    "parameter is not well defined",
    """
A parameter's name has letters, digits, `-` and `_`, and is unique in its list. One that is handed over has a `value` or a
`valueFrom`; where `enum` is given, the value is one of its strings. An output has exactly one of `value` and `valueFrom`;
the latter names a `path` in a container or script, a `parameter` or `expression` in a dag or steps.
""",
)
INPUT = register(
    "MR338",
    "arguments do not fit the template's inputs",
    """
A task hands over each input of its template that has no value of its own, and no others: Argo ignores a name that the
template does not have. The entrypoint and the exit handler take theirs from the arguments of the workflow.
""",
)
TAG = register(
    "MR339",
    "reference cannot be resolved",
    """
`{{...}}` refers to something that is not there: an input that is not declared, an output of a task that has none of the
name, a parameter of the workflow that does not exist, a task of another template. Tasks are seen in their own DAG only,
`retries` and `lastRetry` only where the template has a retryStrategy.
""",
)
ITEM = register(
    "MR340",
    "item outside a loop",
    """
`{{item}}` has a value only in a task with `withItems`, `withParam` or `withSequence`. It does not reach into the task's
template: hand it over as an argument.
""",
)
TEXT = register(
    "MR341",
    "text holds what Argo takes for a reference",
    """
Argo reads `{{` in any text of a template as the beginning of a reference, which ends at the next `}}`, wherever that is,
and knows no way to write it otherwise. Carry such text encoded, or keep it in the image or the pipeline's definition.
""",
)
EXPRESSION = register(
    "MR342",
    "expression cannot be parsed",
    """
`{{=...}}` holds an expression with its quotes and brackets closed, and without `}}` inside. A name with a hyphen is
written in brackets, or the hyphen is a minus:

    "{{=workflow.parameters['run-id']}}"
""",
)
WITH_PARAM = register(
    "MR343",
    "list of a loop is not valid",
    """
`withParam` is a JSON list as text, or refers to an output that holds one. `withItems` is a list. `withSequence` has
exactly one of `count` and `end`.
""",
)
IMAGE = register(
    "MR344",
    "container has no image that can be pulled",
    """
Neither the template nor `templateDefaults` of its type states an `image`, or its name is none: one has no blanks, and what
stands between registry and tag is in lowercase. In the configuration write

    executor: {type: argo, config: {image: registry/name:tag}}
""",
)
COMMAND = register(
    "MR345",
    "container has no command",
    """
Without a `command` Argo asks the image's registry for it, which it may not reach or be allowed to read. State it.
""",
)
ENVIRONMENT = register(
    "MR346",
    "environment variable is not valid",
    """
The name of an environment variable has letters, digits, `_`, `-` and `.`, does not begin with a digit and stands once in
its container. It has either a `value` or a `valueFrom`.
""",
)
KEY_REF = register(
    "MR347",
    "reference to a secret or config map is not complete",
    """
`secretKeyRef` and `configMapKeyRef` name both the object (`name`) and the entry in it (`key`): else the pod never starts.

    secret_environment: {DB_PASSWORD: {secret: database, key: password}}
""",
)
VARIABLE = register(
    "MR348",
    "text holds what Kubernetes takes for a variable",
    """
Kubernetes replaces `$(NAME)` in the command, arguments and environment of a container by its environment variable of
that name. None of that name is defined here. Write `$$(NAME)` for the text itself.
""",
)
VOLUME = register(
    "MR349",
    "volume or mount is not valid",
    """
A `volumeMounts` entry names a volume of the template or of the workflow (`volumes`, `volumeClaimTemplates`). Names of
volumes have at most 63 lowercase letters, digits and hyphens and are unique; a mount's path is absolute and used once.
""",
)
RESOURCES = register(
    "MR350",
    "amount of a resource is not valid",
    """
An amount is a number with an optional unit: m, k, M, G, T, P, E, or Ki, Mi, Gi, Ti, Pi, Ei. A request is not above the
limit of the same name. Argo merges what a step states with what all steps share (`templateDefaults`), key by key: a step
with a limit below the request of all steps states a request too.

    resources: {requests: {cpu: 250m, memory: 512Mi}}
""",
)
RETRY = register(
    "MR351",
    "retry strategy is not valid",
    """
`limit` is a whole number of further attempts, `retryPolicy` one of Always, OnFailure, OnError and OnTransientError, the
`factor` of `backoff` a whole number; a `backoff` has a `duration`.
""",
)
RETRY_POLICY = register(
    "MR352",
    "retry strategy has no policy",
    """
With neither `retryPolicy` nor `expression` Argo repeats a step that failed but not one whose pod was lost or evicted.
Write `retryPolicy: Always`.
""",
)
DURATION = register(
    "MR353",
    "duration is not valid",
    """
A duration is a number of seconds, or numbers with the units ns, us, ms, s, m and h: `90`, `1h30m`. There is no unit for
days. A template's `timeout` needs the unit; `activeDeadlineSeconds` is a whole number of seconds.
""",
)
SCHEDULE = register(
    "MR354",
    "schedule is not valid",
    """
A schedule has five fields: minute (0-59), hour (0-23), day (1-31), month (1-12 or JAN-DEC), weekday (0-6 or SUN-SAT, 7 is
none); or it is @hourly, @daily, @weekly, @monthly, @yearly or `@every DURATION`, and stands there once. `timezone` is a
name of the IANA database.

    executor: {type: argo, config: {kind: CronWorkflow, schedule: "0 6 * * 1-5", timezone: Europe/Berlin}}
""",
)
CHOICE = register(
    "MR355",
    "value is none of those allowed",
    """
The field takes one of the words that the message lists, written exactly so: Kubernetes and Argo tell capitals from
small letters.
""",
)
SIZE = register(
    "MR356",
    "object is too large",
    """
Argo and Kubernetes take objects of 1 MiB (1,048,576 bytes of JSON) at most. Move parts of the pipeline into a node of type
`dag` with `separate: true`, which becomes a WorkflowTemplate of its own.
""",
)
COUNT = register(
    "MR357",
    "list is too long",
    """
The full CRDs take 200 templates in an object, 200 tasks in a DAG and 500 parameters in a list. Nest parts of the pipeline
in nodes of type `dag`, with `separate: true` where it is the templates that are too many. A graph of over 200 tasks is cut
into parts by itself, unless one stretch of it has failures that lead to a handler which steps from afar share, and others.
""",
)
APPLY_SIZE = register(
    "MR358",
    "object is too large for kubectl apply",
    """
`kubectl apply` keeps a copy of the object in an annotation, which holds 262,144 bytes. Use `kubectl apply --server-side`,
`kubectl create` or `argo template create` for an object of this size.
""",
)
CALLED = register(
    "MR359",
    "workflow lacks what another template uses",
    """
A template that is called by `templateRef` runs as part of the calling workflow: it sees that workflow's parameters,
volumes and `templateDefaults`, not those of the WorkflowTemplate it stands in. Give the caller the same.
""",
)
DEPTH = register(
    "MR360",
    "templates are nested too deeply",
    """
The controller follows at most 100 calls of templates within one another, the entry point among them (its setting
`MAX_RECURSION_DEPTH` aside). A map, a dag and a part of a long graph are one such call each; a parallel, and a map with
`max_concurrency` or `fail_fast`, are two. Nest less deeply, or run parts as pipelines of their own.
""",
)
PATCH = register(
    "MR361",
    "podSpecPatch is not a pod's specification",
    """
`podSpecPatch` (`pod_spec_patch` in the configuration) is a mapping, as YAML or JSON, of fields of a PodSpec. Argo merges it
into each pod; a field that a PodSpec has not would be left out unseen (`MR323`).

    pod_spec_patch: {securityContext: {fsGroup: 1000}, terminationGracePeriodSeconds: 120}
""",
)
