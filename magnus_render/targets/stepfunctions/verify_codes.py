"""Diagnostic codes of the check of Step Functions definitions: MR220 to MR259 (`magnus explain MR2xx`).

What is rendered passes these checks; where one fails, an `as-is` node's own state, a template given by `--templates`
or the size of the pipeline is the reason.
"""

from __future__ import annotations

from magnus_render.diagnostics import register

MACHINE = register(
    "MR220",
    "definition has no usable states",
    """
A state machine, each branch of a Parallel and the processor of a Map is an object with `StartAt`, a state's name, and
`States`, an object that holds at least one state, each an object. A template or a native state lacks one of them.
""",
)
TARGET = register(
    "MR221",
    "transition leads to no state",
    """
`StartAt`, `Next` and `Default` must be the exact name of a state of the same `States` object: a state inside a Map or a
branch cannot lead out of it, nor one outside into it. Step Functions refuses the definition.
""",
)
UNREACHABLE = register(
    "MR222",
    "state cannot be reached",
    """
No path from `StartAt` leads to the state. Step Functions refuses such a definition. Lead to it, or take it out.
""",
)
NO_END = register(
    "MR223",
    "states never end",
    """
None of the states that are entered together is a Succeed or a Fail or has `End: true`, so they would run for ever.
""",
)
STATE_NAME = register(
    "MR224",
    "state name is not valid",
    """
A state's name has 1 to 80 characters, none of them a control character. Give the node a shorter name, or nest less
deep: a state's name begins with the path of its node.
""",
)
STATE_NAME_TWICE = register(
    "MR225",
    "state name is used twice",
    """
State names are unique in the whole definition, the states inside Maps and Parallels included. A native state with
states of its own inside has taken a name that another state has: rename it there.
""",
)
TRANSITION = register(
    "MR226",
    "state must either go on or end",
    """
A Task, Pass, Wait, Map or Parallel has exactly one of `Next` and `End: true`. A Succeed or Fail has neither: it is an
end. A Choice has neither: its rules and its `Default` say where it leads.
""",
)
STATE_TYPE = register(
    "MR227",
    "state has no known type",
    """
`Type` is one of Task, Pass, Choice, Wait, Succeed, Fail, Parallel and Map, written exactly so.
""",
)
FIELD = register(
    "MR228",
    "field is not known here",
    """
The object has a field that its kind does not have in the JSONata query language; Step Functions refuses it. Fields of
JSONPath have successors: `Parameters` is `Arguments`; `ResultSelector`, `ResultPath`, `OutputPath` and `Result` are
`Output`; `ItemsPath` is `Items`; for `InputPath` write what is wanted of `$states.input`.
""",
)
REQUIRED = register(
    "MR229",
    "required field is missing",
    """
The state lacks a field that its type must have: a Task its `Resource`, a Map its `ItemProcessor`, a Parallel its
`Branches`, a Choice its `Choices`, a Wait exactly one of `Seconds` and `Timestamp`, a rule its `Condition` and `Next`.
""",
)
VALUE = register(
    "MR230",
    "field has a value of the wrong kind",
    """
The field takes a value of another kind or range; the message says which. Where a JSONata expression is allowed, it is a
string that begins with `{%` and ends with `%}`.
""",
)
NO_DEFAULT = register(
    "MR231",
    "choice has no default",
    """
If no rule of a Choice without `Default` matches, the execution fails with `States.NoChoiceMatched`, which no Catch of
the Choice can handle. Add a `Default`, to a Fail state if nothing else makes sense.
""",
)
RESOURCE = register(
    "MR232",
    "task resource is not valid",
    """
`Resource` names what a Task calls: `arn:aws:states:::SERVICE:ACTION`, with `.sync` to wait for a job,
`.sync:2` for an execution's output as JSON, or `.waitForTaskToken`; `arn:aws:states:::aws-sdk:SERVICE:ACTION` for any
other call, which cannot be waited for; or the ARN of a Lambda function or an activity. An Express child of a
distributed Map can use neither `.sync` nor `.waitForTaskToken`.

    Resource: arn:aws:states:::batch:submitJob.sync
""",
)
ERROR_NAMES = register(
    "MR233",
    "errors of a retrier or catcher are not valid",
    """
`ErrorEquals` is a list of at least one error name. `States.ALL` stands alone in its list, and that list belongs to the
last retrier or catcher: whatever follows would never be reached. Names that begin with `States.` are reserved for
errors that the Amazon States Language defines. `States.Runtime` is neither retried nor caught, and `States.ALL` matches
neither it nor `States.DataLimitExceeded`.
""",
)
RETRIER = register(
    "MR234",
    "retrier has a value out of range",
    """
`MaxAttempts` is a whole number from 0 to 99999999, `IntervalSeconds` one from 1 to 99999999, `BackoffRate` a number of
at least 1, `MaxDelaySeconds` a whole number from 1 to 31622399 and greater than `IntervalSeconds`, `JitterStrategy` FULL
or NONE. None of them can be an expression.
""",
)
TIMEOUT = register(
    "MR235",
    "time limit is not valid",
    """
`TimeoutSeconds` and `HeartbeatSeconds` are whole numbers from 1 to 99999999, or on a Task an expression; the heartbeat
is shorter than the timeout.
""",
)
MAP_MODE = register(
    "MR236",
    "field does not fit the map's mode",
    """
A Map runs its items inside its own execution, unless `ItemProcessor.ProcessorConfig` is
`{"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}` (or EXPRESS): then each item is an execution of its own.
`ItemReader`, `ItemBatcher`, `ResultWriter`, `ToleratedFailureCount`, `ToleratedFailurePercentage` and `Label` belong to
distributed Maps alone, and `ExecutionType` must be given there. In a pipeline write

    executor_config: {aws-step-functions: {distributed: true}}
""",
)
QUERY_LANGUAGE = register(
    "MR237",
    "query language is not JSONata",
    """
The definition says `"QueryLanguage": "JSONata"` for the whole machine; no state of such a machine can go back to
JSONPath. Write a native state's fields in JSONata: `Arguments` and `Output`, with expressions in `{% ... %}`.
""",
)
EXPRESSION = register(
    "MR238",
    "JSONata expression cannot be parsed",
    """
A string that begins with `{%` is a JSONata expression and must end with `%}`, and the other way round, without blanks
outside. The expression itself must be complete: strings, brackets and operators. JSONata's strings take the escapes of
JSON only, so a quote inside a string is written `\\u0027` or stands in a string of the other kind of quotes.
""",
)
TOP_LEVEL = register(
    "MR239",
    "expression reads a context that is not there",
    """
Step Functions evaluates an expression without a context item, so a bare name, `$` or `$$` at its top level refers to
nothing, and the definition is refused. Write `$states.input.name` for the state's input and `$name` for a variable.
Inside a step of a path, a predicate or a sort the context is what the path yields, and names are fine:
`$states.input.items[size > 3]`.
""",
)
STATES_FIELD = register(
    "MR240",
    "field of $states is not there",
    """
`$states` has `input` and `context` everywhere; `result` only in `Output` and `Assign` of a Task, Map or Parallel;
`errorOutput` only in `Output` and `Assign` of a catcher; `context.Task.Token` only in the `Arguments` of a Task whose
`Resource` ends in `.waitForTaskToken`.
""",
)
UNDEFINED = register(
    "MR241",
    "variable or function is not defined",
    """
The expression uses `$name`, which no state on a path to it assigns, which it does not bind itself, and which is no
function of JSONata or Step Functions. A variable is seen in the states that follow its `Assign` and in the Maps and
Parallels among them; what is assigned inside a Map or a branch is gone behind it. Inside a distributed Map nothing from
outside is seen: hand it over with `ItemSelector`. `$eval` does not exist; `$parse` reads JSON text.
""",
)
VARIABLE_NAME = register(
    "MR242",
    "variable name is not valid",
    """
A variable's name in `Assign` begins with a letter, goes on with letters, digits and `_`, has at most 80 characters, and
is not `states`. It is written without the `$`.
""",
)
VARIABLE_TWICE = register(
    "MR243",
    "variable of an outer scope is assigned inside",
    """
States inside a Map or a Parallel can read the variables of the states around, but not assign one of the same name:
Step Functions refuses the definition. Give the inner variable a name of its own.
""",
)
MEMBER = register(
    "MR244",
    "service does not know the parameter",
    """
`Arguments` has a member that the service's request does not have, by the service model of the botocore that is
installed. Step Functions writes members with a capital first letter (`JobName`, not `jobName`); those of `aws-sdk`
calls as the AWS SDK for Java does (`SsekmsKeyId`, not `SSEKMSKeyId`). If the member is new, update botocore.
""",
)
MEMBER_MISSING = register(
    "MR245",
    "required parameter of the service is missing",
    """
`Arguments` lacks a member that the service's request must have: the call would fail when the state is reached, after
the steps before it have run.
""",
)
MEMBER_VALUE = register(
    "MR246",
    "parameter has a value that the service refuses",
    """
A literal in `Arguments` is of another kind than the service's request wants, is none of the values it knows, or has a
length or form it does not take; the message says which. Values that are expressions are not checked. A job name of AWS
Batch has 1 to 128 letters, digits, hyphens and underscores, and begins with a letter or a digit.
""",
)
OVERRIDES = register(
    "MR247",
    "container overrides are too long for AWS Batch",
    """
The container overrides of a job hold 8,192 characters at most, as JSON: command, environment and resources together.
Shorten `environment`, or put it into the job definition; put the resolved plan into the image with `--plan`.
""",
)
DEFINITION_SIZE = register(
    "MR248",
    "definition is too large",
    """
Step Functions takes definitions of 1 MiB (1,048,576 bytes) at most. Render with `--compact`; if that is not enough, move
parts of the pipeline into a node of type `dag` with `separate: true`, which becomes a state machine of its own.
""",
)
HISTORY = register(
    "MR249",
    "execution has too many events",
    """
The history of an execution holds 25,000 events, then Step Functions fails it. A job that is waited for takes 6 events, a
Choice or Pass 2, a Parallel 4, an item of an inline Map 2 and those of its states. Move parts of the pipeline into a
`dag` with `separate: true`, or make a map `distributed: true`: either has a history of its own.
""",
)
HISTORY_ITEMS = register(
    "MR250",
    "map takes few items before the history is full",
    """
Each item of an inline Map adds its states' events to the execution's history, which holds 25,000. The message says at
how many items, retries not counted, it would be full and the execution fail. If the list can be that long, distribute
the map, so that each item has a history of its own:

    executor_config: {aws-step-functions: {distributed: true}}
""",
)
PAYLOAD = register(
    "MR251",
    "literal is larger than a payload can be",
    """
What a state takes, hands over or assigns holds 256 KiB (262,144 bytes) at most. Put large values into the store, and
pass their key.
""",
)
