"""Diagnostic codes of the Step Functions target: MR201 to MR219. Those of its verifier stand beside that."""

from __future__ import annotations

from magnus_render.diagnostics import register

PLACEHOLDER = register(
    "MR201",
    "a value of the platform is missing",
    """
The output was rendered with a stand-in: it names a queue, a bucket or the like that your account does not have. Write the
value into the configuration (`-c FILE`):

    executor:
      type: aws-step-functions
      config: {job_queue: churn-queue, job_definition: churn-job}
    run_log_store: {type: s3, config: {bucket: churn-runs}}
    catalog: {type: s3, config: {bucket: churn-runs}}

`magnus render --strict` makes this an error.
""",
)
NATIVE_STATE = register(
    "MR202",
    "render_string is not a state that can stand for the node",
    """
Under `aws-step-functions` a `render_string` is one state as the Amazon States Language writes it, without `Next`, `End` and
`Catch`: those are the pipeline's.

    publish:
      type: as-is
      render_string:
        aws-step-functions:
          Type: Task
          Resource: arn:aws:states:::sns:publish
          Arguments: {TopicArn: "arn:aws:sns:eu-west-1:111122223333:done", Message: "{% $run %}"}
      next: success

`Task`, `Pass`, `Wait`, `Map` and `Parallel` can stand for a node; a `Choice`, `Succeed` or `Fail` cannot.
""",
)
COMPUTE_LIMIT = register(
    "MR203",
    "the compute cannot do what the step asks for",
    """
The place where the step is to run has a limit of its own: a Lambda function runs for at most 900 seconds, and the
environment of a SageMaker processing job holds values of at most 256 characters. Choose another `compute` for the node:

    executor_config:
      aws-step-functions: {compute: batch}
""",
)
OVERRIDES = register(
    "MR204",
    "container overrides are too large",
    """
AWS Batch and ECS take at most 8,192 characters of overrides for one container (command, environment, resources). Put
constant variables into the job definition, or carry the plan in the image (`magnus render --plan plan.json`, and `plan:
plan.json` in `executor.config`), so that definition variables need not be handed on.
""",
)
