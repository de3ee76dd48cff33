"""Diagnostic codes of rendering: MR100 and above (`magnus explain MR1xx`)."""

from __future__ import annotations

from magnus_render.diagnostics import register

NODE_TYPE = register(
    "MR101",
    "node type cannot be rendered",
    """
The target has no way to run a node of this type. `magnus targets` lists what each target can do. Render for a target
that can, or express the node with types that the target knows.
""",
)
FIELD = register(
    "MR102",
    "field is not honoured by the target",
    """
The node asks for something that the target does not declare. It is refused rather than ignored: the same definition
must mean the same on every engine. `magnus targets` lists what each target honours. Remove the field, or render for a
target that honours it.
""",
)
EXECUTOR_CONFIG = register(
    "MR103",
    "executor configuration is not valid for the target",
    """
The block `executor.config`, or a node's `executor_config` for this target, has an unknown key or a value that the target
cannot use. The message names the key; docs/targets/ has a page for each target with all of its keys:

    executor:
      type: argo
      config: {image: registry.example/churn:1.4, parallelism: 20}

    executor:
      type: bash
      config: {launcher: [srun, --mem=8G]}
""",
)
RENDER_STRING = register(
    "MR104",
    "render_string is not text",
    """
Under `bash` a `render_string` holds lines for the shell. A mapping is native text of another engine (a state, a
container template):

    publish:
      type: as-is
      render_string:
        bash: ./publish.sh
        aws-step-functions: {Type: Task, Resource: ...}
      next: success
""",
)
NOT_VALID = register(
    "MR105",
    "rendered text is not valid",
    """
The text that was rendered does not pass the target's own check, so it was not printed. Either the text of an `as-is`
node has a mistake (the message names the node), or a template given by `--templates` has.
""",
)
FILE_OUTSIDE = register(
    "MR106",
    "definition lies outside the working folder",
    """
The rendered output names its definition by a path relative to the project's folder. The path given is absolute and
points elsewhere, so only the file's name was used. Run `magnus render` in the project's folder.
""",
)
TEMPLATES = register(
    "MR107",
    "template folder holds an unknown or broken template",
    """
`--templates DIR` overrides templates by name: `DIR/bash/script.sh.j2` stands in for `templates/bash/script.sh.j2`.
A file whose name is not that of one of the target's templates is never read. A template that uses an
unknown variable, or that cannot be parsed, is an error.
""",
)
STORE = register(
    "MR108",
    "a service cannot work with this target",
    """
Every step that another engine starts is a process of its own, perhaps on another machine. A store that lives in the
memory of one process cannot serve it. Configure a store that all steps reach, such as `file-system`.
""",
)
