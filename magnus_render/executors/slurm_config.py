"""The configuration of `slurm`: `executor.config`, most keys overridable by a node's own.

The forms of values are those of sbatch(1). Only the scheduler knows the partitions, accounts and features of a cluster.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictInt, StrictStr

from magnus_render.spec.blocks import VARIABLE_NAME, VARIABLE_RULE, Scalar, Text, matching
from magnus_render.spec.kinds import ANY, ARGV

PER_RUN = ("inherit",)
"""Keys that a node cannot override, because each job hands them on to the jobs that it submits."""
_TIME = r"[0-9]+|[0-9]+(:[0-9]{1,2}){1,2}|[0-9]+-[0-9]{1,2}(:[0-9]{1,2}){0,2}|UNLIMITED"
_GPUS = r"([A-Za-z0-9_.]+:)?[1-9][0-9]*(,([A-Za-z0-9_.]+:)[1-9][0-9]*)*"
_OURS = {
    "-a": "", "--array": "", "-W": "", "--wait": "", "--wrap": "", "--parsable": "", "--test-only": "",
    "-H": "", "--hold": "", "-b": "", "--begin": "", "-d": "", "--dependency": "", "--kill-on-invalid-dep": "",
    "-D": "", "--chdir": "", "-o": "", "--output": "", "-e": "", "--error": "", "--no-requeue": "", "-M": "",
    "--clusters": "", "-Q": "", "--quiet": "", "-h": "", "--help": "", "-V": "", "--version": "", "--usage": "",
    "--export": "`environment` and `inherit` say what jobs see",
    "--export-file": "`environment` and `inherit` say what jobs see",
    "--get-user-env": "write lines of `setup`",
}  # fmt: skip
"""Options of sbatch that magnus itself gives, or that would change its answer, with what to do instead."""

Name = Annotated[
    StrictStr, matching(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", "is no name: letters, digits, '_', '-' and '.'")
]
Names = Annotated[
    StrictStr,
    matching(
        r"[A-Za-z0-9_][A-Za-z0-9_.-]*(,[A-Za-z0-9_][A-Za-z0-9_.-]*)*",
        "is no name, and no names with ',' between: letters, digits, '_', '-' and '.'",
    ),
]
Hosts = Annotated[
    StrictStr,
    matching(r"[A-Za-z0-9_.-]+[A-Za-z0-9_.,\[\]-]*", "is no list of nodes, such as node7 or node[1-4]"),
]
VariableName = Annotated[StrictStr, matching(VARIABLE_NAME.pattern, VARIABLE_RULE)]
Pattern = Annotated[
    StrictStr, matching(r"[A-Za-z_*][A-Za-z0-9_.*-]*", "is no variable's name, with or without '*'")
]
Size = Annotated[StrictStr, matching(r"[1-9][0-9]*[KMGT]?", "is no size, such as 512M or 4G")]
Limit = Annotated[
    StrictStr, matching(_TIME, "is no time, such as 30 (minutes), 2:30:00 or 1-12 (days and hours)")
]


def _options(words: list[str]) -> list[str]:
    for word in words:
        long, short = word.split("=", 1)[0], word[:2]
        name = long if word.startswith("--") else short
        # sbatch accepts the beginning of a long option, if no other option begins in the same way.
        taken = [one for one in _OURS if one == name or (len(name) > 3 and one.startswith(name))]
        if name.startswith("-") and taken:
            remedy = _OURS[taken[0]]
            raise ValueError(f"holds '{word}', which is for magnus to say{': ' + remedy if remedy else ''}")
    return words


class SlurmConfig(BaseModel):
    """What a user may set."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    partition: Names | None = Field(default=None, examples=["short"])
    """The partition of the jobs, or several with `,` between; by default that of the cluster."""
    account: Name | None = Field(default=None, examples=["physics"])
    """The account that is charged; by default the user's own default."""
    qos: Name | None = Field(default=None, examples=["normal"])
    """The quality of service."""
    time: Annotated[Limit | Annotated[StrictInt, Field(gt=0)] | None, ANY] = Field(
        default=None, examples=["2:30:00"]
    )
    """The longest time of a job: minutes, `H:MM:SS`, or `D-HH`; by default that of the partition."""
    cpus: Annotated[StrictInt, Field(gt=0)] | None = Field(default=None, examples=[4])
    """Processors of a job."""
    memory: Annotated[Size | Annotated[StrictInt, Field(gt=0)] | None, ANY] = Field(
        default=None, examples=["4G"]
    )
    """Memory of a job: megabytes, or a number with `K`, `M`, `G` or `T`."""
    gpus: Annotated[
        Annotated[StrictStr, matching(_GPUS, "is no number of graphics processors, such as 1 or a100:2")]
        | Annotated[StrictInt, Field(gt=0)]
        | None,
        ANY,
    ] = Field(default=None, examples=["a100:2"])
    """Graphics processors of a job: how many, or `TYPE:NUMBER`."""
    gres: Text | None = Field(default=None, examples=["shard:2"])
    """Other resources of the cluster, as sbatch's `--gres` writes them."""
    nodelist: Hosts | None = Field(default=None, examples=["node[1-4]"])
    """Nodes that a job must have."""
    constraint: Text | None = Field(default=None, examples=["ssd&icelake"])
    """Features that the nodes of a job must have, as sbatch's `--constraint` writes them."""
    sbatch_options: Annotated[list[Text], ARGV, AfterValidator(_options)] = Field(
        default=[], examples=[["--exclusive"]]
    )
    """Further options of sbatch. They override those of the other keys."""
    magnus_command: Annotated[list[Text], ARGV] = Field(default=["magnus"], min_length=1)
    """The command that starts magnus in a job."""
    environment: dict[VariableName, Scalar] = Field(default={}, examples=[{"OMP_NUM_THREADS": "4"}])
    """Environment variables of every job."""
    inherit: list[Pattern] = Field(default=["*"], examples=[["LANG", "AWS_*"]])
    """Names of variables that jobs take over from whoever submits them, with `*` for any letters; by default all. `PATH` and
    `HOME` always are."""
    setup: list[Text] = Field(default=[], examples=[["module load python"]])
    """Lines of bash that each job runs before magnus."""
