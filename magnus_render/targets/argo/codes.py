"""Diagnostic codes of the Argo target: MR301 to MR319. Those of its verifier stand beside that."""

from __future__ import annotations

from magnus_render.diagnostics import register

PLACEHOLDER = register(
    "MR301",
    "a value of the platform is missing",
    """
The output was rendered with a stand-in: it names an image, or a volume claim, that your cluster does not have, or leaves
its pods to the namespace's default service account, which may seldom record the results of tasks (docs/targets/argo.md,
"Permissions"). Write the value into the configuration (`-c FILE`):

    executor:
      type: argo
      config:
        image: registry.example/churn:1.4
        service_account_name: magnus
        persistent_volumes: [{claim: magnus, mount_path: /mnt/magnus}]
    run_log_store: {type: file-system, config: {path: /mnt/magnus/run_log}}
    catalog: {type: file-system, config: {path: /mnt/magnus/catalog}}

`magnus render --strict` makes this an error.
""",
)
NATIVE_TEMPLATE = register(
    "MR302",
    "render_string is not a template that can stand for the node",
    """
Under `argo` a `render_string` is either lines for bash, which become a script template, or one template as Argo writes it,
without its name:

    publish:
      type: as-is
      render_string:
        argo:
          resource: {action: apply, manifest: "..."}
      next: success

It states exactly one of `container`, `script`, `resource`, `suspend`, `data`, `dag` and `steps`. Templates of the types
`http`, `containerSet` and `plugin` cannot stand beside `templateDefaults` with a container: Argo makes it their second type.
""",
)
WHOLE_PIPELINE = register(
    "MR303",
    "a node sets what is the whole pipeline's",
    """
Kind, namespace, schedule, pull secrets, parallelism and the time a finished workflow is kept are properties of the
workflow. Write them into `executor.config`, not into a node's `executor_config`.
""",
)
NOT_EXACT = register(
    "MR304",
    "the engine can only do nearly what is asked for",
    """
Argo multiplies the pause between attempts by whole numbers only: the next whole number is used. Write a whole `backoff`
to be rid of this warning; `magnus render --strict` makes it an error.
""",
)
SCHEDULE = register(
    "MR305",
    "schedule, time zone and kind do not fit together",
    """
A CronWorkflow needs a `schedule`, and no other kind has one; a `timezone` is that of a schedule:

    executor:
      type: argo
      config: {schedule: "0 2 * * *", timezone: Europe/Amsterdam}
""",
)
VARIABLE = register(
    "MR306",
    "a variable is given twice",
    """
A variable of the environment is either a text (`environment`) or the value of a secret (`secret_environment`), the same at
all steps: Argo merges what a step states with what all steps share, and Kubernetes refuses an entry that has both.
""",
)
NO_EFFECT = register(
    "MR307",
    "a node's configuration has no effect",
    """
A parallel, a map and a dag become DAG templates, which start no container of their own. Write the `executor_config` at the
steps inside, or into `executor.config` for all steps.
""",
)
NATIVE_SECRETS = register(
    "MR308",
    "a template of the user's gets the pipeline's secrets",
    """
`templateDefaults` reach every container and, where some as-is of the pipeline is lines for bash, every
script: of a native template too, of what stands `inline` in its tasks, and of what they call by
`templateRef`. Each sees the variables, secrets and volumes that all steps share, whatever its image is.
Give secrets to the steps that need them:

    executor_config: {argo: {secret_environment: {DB_PASSWORD: {secret: db, key: password}}}}
""",
)
HIDDEN_STORE = register(
    "MR309",
    "a node's volume hides a store",
    """
A step mounts the pipeline's volumes and its own, the deeper of two folders over the other. The volume that a
`file-system` store lies on is hidden by one of the step's own at the store's path, or at a folder above it up
to the one at which that volume is mounted: the step would keep its records where no other step finds them.

    # the pipeline's
    persistent_volumes: [{claim: churn-runs, mount_path: /mnt/churn}]
    run_log_store: {type: file-system, config: {path: /mnt/churn/run_log}}
    # a node's: would hide the store at /mnt/churn and at /mnt/churn/run_log
    persistent_volumes: [{claim: models, mount_path: /models}]
""",
)
