"""Diagnostic codes of the Argo target: MR301 to MR319. Those of its verifier stand beside that."""

from __future__ import annotations

from magnus_render.diagnostics import register

PLACEHOLDER = register(
    "MR301",
    "a value of the platform is missing",
    """
The output was rendered with a stand-in: it names an image, or a volume claim, that your cluster does not have. Write the
value into the configuration (`-c FILE`):

    executor:
      type: argo
      config:
        image: registry.example/churn:1.4
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

It states exactly one of `container`, `script`, `resource`, `http`, `suspend`, `containerSet`, `data`, `plugin`, `dag` and
`steps`.
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
    "schedule and kind do not fit together",
    """
A CronWorkflow needs a `schedule`, and no other kind has one:

    executor:
      type: argo
      config: {schedule: "0 2 * * *", timezone: Europe/Amsterdam}
""",
)
