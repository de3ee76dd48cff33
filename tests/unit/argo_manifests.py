"""Argo manifests without a mistake that use, between them, every construct: the text of each, by name."""

from __future__ import annotations

TEMPLATE = """
apiVersion: argoproj.io/v1alpha1
kind: WorkflowTemplate
metadata:
  name: regions
  namespace: data
  labels:
    app.kubernetes.io/managed-by: magnus
  annotations:
    workflows.argoproj.io/description: "a -> map m (n (b -> c)) -> parallel p (d, e)"
spec:
  entrypoint: pipeline
  onExit: exit
  serviceAccountName: magnus
  activeDeadlineSeconds: 86400
  parallelism: 20
  ttlStrategy:
    secondsAfterCompletion: 604800
  podGC:
    strategy: OnPodSuccess
  workflowMetadata:
    labels: {purpose: regions}
    annotations: {about: regions}
  arguments:
    parameters:
      - name: run-id
        value: ""
      - name: parameters
        value: "{}"
      - name: use-cached
        value: ""
  imagePullSecrets:
    - name: registry
  nodeSelector:
    pool: batch
  tolerations:
    - {key: dedicated, operator: Equal, value: batch, effect: NoSchedule}
  volumes:
    - name: store
      persistentVolumeClaim:
        claimName: magnus-store
  templateDefaults:
    container:
      image: registry.example/project:1.4.2
      imagePullPolicy: IfNotPresent
      command: [magnus, execute_single_node]
      env:
        - name: MAGNUS_RUN_ID
          value: "{{=workflow.parameters['run-id'] == '' ? workflow.name : workflow.parameters['run-id']}}"
        - name: MAGNUS_WALK
          value: "{{workflow.uid}}"
        - name: MAGNUS_PARAMETERS
          value: "{{=sprig.b64enc(workflow.parameters.parameters)}}"
        - name: TMPDIR
          value: /tmp/$(MAGNUS_WALK)
        - name: DB_PASSWORD
          valueFrom:
            secretKeyRef: {name: database, key: password}
      resources:
        requests: {cpu: 250m, memory: 512Mi}
        limits: {cpu: "2", memory: 1Gi}
      securityContext:
        runAsNonRoot: true
        allowPrivilegeEscalation: false
        capabilities: {drop: [ALL]}
        seccompProfile: {type: RuntimeDefault}
      volumeMounts:
        - {name: store, mountPath: /var/magnus}
    script:
      image: registry.example/project:1.4.2
  templates:
    - name: pipeline
      dag:
        failFast: false
        tasks:
          - name: a
            template: count
            arguments:
              parameters:
                - {name: step, value: a}
          - name: m
            depends: a.Succeeded
            template: m-branch
            withParam: "{{tasks.a.outputs.parameters.items}}"
            arguments:
              parameters:
                - {name: branch, value: "m.{{item}}"}
          - name: p
            depends: (m.Succeeded || m.Skipped)
            template: p
          - name: lines
            depends: p.Succeeded
            template: lines
            arguments:
              parameters:
                - {name: step, value: lines}
          - name: own
            depends: lines.Succeeded && !lines.Daemoned
            template: own
          - name: fail
            depends: >-
              a.Failed || a.Errored || m.Failed || m.Errored || p.Failed || p.Errored
              || lines.Failed || lines.Errored || own.Failed || own.Errored
            template: step
            arguments:
              parameters:
                - {name: step, value: fail}
          - name: success
            depends: own.Succeeded && fail.Omitted
            template: pass

    - name: m-branch
      inputs:
        parameters:
          - name: branch
      dag:
        failFast: false
        tasks:
          - name: count-n
            template: count
            arguments:
              parameters:
                - {name: step, value: "{{inputs.parameters.branch}}.n"}
          - name: inner
            depends: count-n.Succeeded
            template: n-branch
            withParam: "{{tasks.count-n.outputs.parameters.items}}"
            arguments:
              parameters:
                - {name: branch, value: "{{inputs.parameters.branch}}.n.{{item}}"}
          - name: success
            depends: inner.Succeeded || inner.Skipped
            template: pass

    - name: n-branch
      inputs:
        parameters:
          - name: branch
      dag:
        failFast: false
        tasks:
          - name: b
            template: b
            arguments:
              parameters:
                - {name: step, value: "{{inputs.parameters.branch}}.b"}
          - name: cleanup
            depends: b.Failed || b.Errored
            template: step
            arguments:
              parameters:
                - {name: step, value: "{{inputs.parameters.branch}}.cleanup"}
          - name: success
            depends: b.Succeeded || cleanup.Succeeded
            template: pass

    - name: p
      parallelism: 2
      dag:
        failFast: false
        tasks:
          - name: d
            template: step
            arguments: {parameters: [{name: step, value: p.d}]}
          - name: e
            template: step
            arguments: {parameters: [{name: step, value: p.e}]}

    - name: step
      inputs:
        parameters:
          - name: step
      metadata:
        labels:
          team: data
        annotations:
          magnus/step: "{{inputs.parameters.step}}"
      container:
        args: [$(MAGNUS_RUN_ID), "{{inputs.parameters.step}}", --text, "$$(HOME) and $(date)"]

    - name: count
      inputs:
        parameters:
          - name: step
      container:
        args: [$(MAGNUS_RUN_ID), "{{inputs.parameters.step}}"]
      outputs:
        parameters:
          - name: items
            valueFrom:
              path: /tmp/items.json
              default: "[]"

    - name: b
      inputs:
        parameters:
          - name: step
      retryStrategy:
        limit: "2"
        retryPolicy: Always
        expression: lastRetry.exitCode == '75' || lastRetry.status == 'Error'
        backoff: {duration: 10s, factor: 2, cap: 5m, maxDuration: 1h30m}
      activeDeadlineSeconds: 3660
      nodeSelector: {pool: gpu}
      tolerations:
        - {key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}
      container:
        image: registry.example/gpu:1.4.2
        args: [$(MAGNUS_RUN_ID), "{{inputs.parameters.step}}", --attempt, "{{retries}}"]
        env:
          - name: LEVEL
            value: "1e3"
        resources:
          limits: {memory: 16Gi, nvidia.com/gpu: "1"}

    - name: lines
      inputs:
        parameters:
          - name: step
      script:
        command: [bash]
        env:
          - name: MAGNUS_STEP
            value: "{{inputs.parameters.step}}"
        volumeMounts:
          - {name: store, mountPath: /var/magnus}
        source: |
          echo "$MAGNUS_STEP" > $(HOME)/x

    - name: own
      volumes:
        - name: scratch
          emptyDir: {}
      container:
        image: busybox
        command: [sh, -c]
        args: ["ls /scratch"]
        volumeMounts:
          - {name: scratch, mountPath: /scratch}

    - name: pass
      suspend:
        duration: "0"

    - name: exit
      dag:
        tasks:
          - name: record
            when: "{{workflow.status}} != Succeeded"
            template: step
            arguments:
              parameters:
                - {name: step, value: fail}
"""

CRON = """
apiVersion: argoproj.io/v1alpha1
kind: CronWorkflow
metadata:
  name: nightly
spec:
  schedules:
    - 0 6 * * 1-5
    - "*/15 0,12 1-15/2 1 0"
    - "@every 1h30m"
  timezone: Europe/Berlin
  concurrencyPolicy: Forbid
  startingDeadlineSeconds: 60
  workflowMetadata: {labels: {purpose: nightly}}
  workflowSpec:
    entrypoint: pipeline
    podSpecPatch: |
      terminationGracePeriodSeconds: 120
      securityContext: {fsGroup: 1000}
      containers: [{name: main, resources: {limits: {cpu: 4}}}]
      volumes: [{name: old, $patch: delete}]
    arguments:
      parameters:
        - name: run-id
          value: ""
    templates:
      - name: pipeline
        container:
          image: registry.example/project:1.4.2
          command: [magnus]
          args: ["{{workflow.parameters.run-id}}", "{{workflow.scheduledTime}}"]
"""

PAIR = """
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata:
  generateName: caller-
spec:
  entrypoint: pipeline
  arguments:
    parameters:
      - name: run-id
        value: ""
  volumes:
    - name: shared
      persistentVolumeClaim: {claimName: magnus-shared}
  templateDefaults: {container: {image: busybox, command: [echo]}}  # the caller's
  templates:
    - name: pipeline
      dag:
        tasks:
          - name: part
            templateRef:
              name: called
              template: inner
            arguments:
              parameters:
                - {name: who, value: "it's {{workflow.name}}"}
          - name: after
            depends: part.Succeeded
            template: show
            arguments:
              parameters:
                - {name: text, value: "{{tasks.part.outputs.parameters.text}}"}
    - name: show
      inputs:
        parameters:
          - {name: text}
      container:
        image: busybox
        command: [echo]
        args: ["{{inputs.parameters.text}}"]
---
apiVersion: argoproj.io/v1alpha1
kind: WorkflowTemplate
metadata:
  name: called
spec:
  volumes:
    - name: shared
      persistentVolumeClaim: {claimName: magnus-shared}
  templateDefaults: {container: {image: busybox, command: [echo]}}
  templates:
    - name: inner
      inputs:
        parameters:
          - {name: who}
          - {name: greeting, default: hello}
      dag:
        tasks:
          - name: say
            template: say
            arguments:
              parameters:
                - {name: line, value: "{{inputs.parameters.greeting}} {{inputs.parameters.who}}"}
      outputs:
        parameters:
          - name: text
            valueFrom: {parameter: "{{tasks.say.outputs.parameters.text}}"}
    - name: say
      inputs:
        parameters:
          - {name: line}
      container:
        args: ["{{inputs.parameters.line}}", "{{workflow.parameters.run-id}}"]
        volumeMounts:
          - {name: shared, mountPath: /shared}
      outputs:
        parameters:
          - name: text
            valueFrom: {path: /tmp/text}
"""

CHOICE = """
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata:
  generateName: chosen-
spec:
  entrypoint: pipeline
  templateDefaults: {container: {image: busybox, command: [magnus]}}
  templates:
    - name: pipeline
      dag:
        tasks:
          - name: first
            template: choose
            arguments: {parameters: [{name: step, value: first}]}
          - name: assess
            depends: first.Succeeded
            template: choose
            arguments: {parameters: [{name: step, value: assess}]}
          - name: pick
            depends: assess.Succeeded
            template: pick
            arguments:
              parameters:
                - {name: choice, value: "{{tasks.assess.outputs.parameters.choice}}"}
          - name: alert
            depends: pick.Failed || pick.Errored
            template: step
            arguments: {parameters: [{name: step, value: alert}]}
          - name: success
            depends: pick.Succeeded || alert.Succeeded
            template: pass

    - name: pick
      inputs: {parameters: [{name: choice}]}
      dag:
        tasks:
          - name: good
            when: "'{{inputs.parameters.choice}}' == 'good'"
            template: pick-good
          - name: n-3
            when: "'{{inputs.parameters.choice}}' == '3'"
            template: pick-3
          - name: default
            when: "'{{inputs.parameters.choice}}' == 'default'"
            template: pass
          - name: no-branch
            depends: good.Skipped && n-3.Skipped && default.Skipped
            template: pass
            withParam: "choice: {{inputs.parameters.choice}}"
          - name: success
            depends: (good.Succeeded || n-3.Succeeded || default.Succeeded) && no-branch.Omitted
            template: pass

    - name: pick-good
      dag:
        tasks:
          - name: sign
            template: step
            arguments: {parameters: [{name: step, value: pick.good.sign}]}

    - name: pick-3
      dag:
        tasks:
          - name: review
            template: step
            arguments: {parameters: [{name: step, value: pick.3.review}]}

    - name: step
      inputs: {parameters: [{name: step}]}
      container:
        args: [execute_single_node, "{{inputs.parameters.step}}"]

    - name: choose
      inputs: {parameters: [{name: step}]}
      outputs:
        parameters:
          - name: choice
            valueFrom: {path: /tmp/choice, default: no branch was chosen}
      container:
        args: [execute_single_node, "{{inputs.parameters.step}}"]

    - name: pass
      suspend: {duration: "0"}

    - name: exit
      steps:
        - - name: record
            when: "{{workflow.status}} != Succeeded"
            template: pass
        - - name: told
            when: "'{{steps.record.status}}' == 'Skipped' && '{{workflow.name}}' != 'x'"
            template: pass
"""

WHEN = """
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: when-}
spec:
  entrypoint: pipeline
  templateDefaults: {container: {image: busybox, command: [magnus]}}
  templates:
    - name: pipeline
      dag:
        tasks:
          - name: first
            template: choose
            arguments: {parameters: [{name: step, value: first}]}
          - name: assess
            depends: first.Succeeded
            template: choose
            arguments: {parameters: [{name: step, value: assess}]}
          - name: tune
            depends: assess.Succeeded
            when: "'{{tasks.assess.outputs.parameters.choice}}' != 'skip'"
            template: step
            arguments: {parameters: [{name: step, value: tune}]}
          - name: report
            depends: tune.Succeeded || tune.Skipped
            template: step
            arguments: {parameters: [{name: step, value: report}]}
          - name: success
            depends: report.Succeeded
            template: pass

    - name: step
      inputs: {parameters: [{name: step}]}
      container:
        args: [execute_single_node, "{{inputs.parameters.step}}"]

    - name: choose
      inputs: {parameters: [{name: step}]}
      outputs:
        parameters:
          - name: choice
            valueFrom: {path: /tmp/choice, default: nothing was decided}
      container:
        args: [execute_single_node, "{{inputs.parameters.step}}"]

    - name: pass
      suspend: {duration: "0"}
"""

MANIFESTS = {"template": TEMPLATE, "cron": CRON, "pair": PAIR, "choice": CHOICE, "when": WHEN}
