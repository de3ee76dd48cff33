"""`magnus runs`: list, show, report, compare, resume, cancel, export and delete runs; their logs and files."""

from __future__ import annotations

import json
import time
from typing import Annotated, Any

import typer

from magnus_render.cli import completion, stores
from magnus_render.cli.run_text import colours, show
from magnus_render.errors import UsageError
from magnus_render.report.listing import Listing
from magnus_render.report.told import Told
from magnus_render.runtime.reading import read_folded
from magnus_render.runtime.records import Run
from magnus_render.services import lookup
from magnus_render.texts import safe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from magnus_render.plan import Plan, RunRecord
    from magnus_render.services.base import BaseRunLogStore

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Runs: list, show, resume, cancel, report, diff, export, prune; their logs and files.",
)


_DAY = 86400

File = Annotated[
    str,
    typer.Option("-f", "--file", metavar="FILE", help="The definition whose configuration names the stores."),
]
Config = Annotated[
    str,
    typer.Option(
        "-c",
        "--config",
        "--config-file",
        metavar="FILE",
        help="Configuration file. Its blocks replace those of the definition.",
    ),
]
RunId = Annotated[
    str, typer.Argument(metavar="RUN_ID", help="The id of the run.", autocompletion=completion.run_ids)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list", short_help="List runs, the newest first.")
def list_runs(
    file: File = "",
    config: Config = "",
    limit: Annotated[
        int, typer.Option("-n", "--limit", min=0, metavar="N", help="List the newest N runs; 0 lists all.")
    ] = 20,
    standing: Annotated[
        bool, typer.Option("--standing", help="List only runs that go on from job to job, and stand still.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List runs, the newest first: how they ended, when they began, how long they took.

    The stores are those of -f and -c, else of MAGNUS_CONFIG, else .run_log_store and .catalog.
    """
    from magnus_render.cli import run_list

    store = stores.open_run_log_store(stores.services(file, config))
    run_list.write(store, limit=limit, standing=standing, as_json=as_json)


@app.command("show", short_help="Show a run: its steps, what failed, and why.")
def show_run(
    run_id: RunId,
    file: File = "",
    config: Config = "",
    as_json: AsJson = False,
    everything: Annotated[bool, typer.Option("--all", help="Show every item of every map.")] = False,
    step: Annotated[
        str,
        typer.Option(
            "--step",
            metavar="STEP",
            help="Show this step alone: what it saw, set and put, its attempts.",
            autocompletion=completion.steps,
        ),
    ] = "",
) -> None:
    """Show a run: the tree of its steps, what failed, why, and where the logs are. It may still be running.

    A step is named as the tree names it, with dots: regions.0.train. --json prints the folded run log of docs/semantics.md.
    """
    store = stores.open_run_log_store(stores.services(file, config))
    if step and everything:
        raise UsageError(
            "runs show: --all shows the items of maps in the tree, and --step one step: give one of them"
        )
    if step:
        from magnus_render.cli import run_step

        told = Told.read(store, stores.known_run(store, run_id))
        if as_json:
            print(json.dumps(run_step.as_json(told, step), indent=2))
            return
        for line in run_step.show_step(told, step, colours()):
            print(line)
        return
    plan, run, log = _folded(store, run_id)
    if as_json:
        print(json.dumps(log, indent=2))
        return
    for line in show(plan, log, run, store, colour=colours(), everything=everything):
        print(line)
    if log["status"] not in ("SUCCESS", "FAIL"):
        from magnus_render.cli import run_jobs

        for line in run_jobs.where_it_stands(Run(store, run_id, run)):
            print(line)


@app.command("log", short_help="Print what steps printed.")
def show_log(
    run_id: RunId,
    step: Annotated[
        str,
        typer.Argument(
            metavar="STEP",
            help="A step, such as regions.0.train.",
            show_default=False,
            autocompletion=completion.steps,
        ),
    ] = "",
    file: File = "",
    config: Config = "",
    attempt: Annotated[
        int | None,
        typer.Option("--attempt", min=1, metavar="N", help="The attempt of STEP; the last one by default."),
    ] = None,
    follow: Annotated[
        bool,
        typer.Option("--follow", help="Go on until the run, or STEP, has ended, and print what is added."),
    ] = False,
) -> None:
    """Print what steps printed: the last attempt of STEP, or all attempts of all steps, in the order of the walk.

    Secrets are masked in logs. A store on S3 has a log once its attempt has ended. With --follow, STEP may be one that the
    run has not come to yet, and all its attempts are printed. Exit status: 75 if the process that walked the run has ended
    without ending the run. That is known on its machine, of runs that magnus or a bash script walks.
    """
    from magnus_render.cli import run_step

    store = stores.open_run_log_store(stores.services(file, config))
    told = Told.read(store, stores.known_run(store, run_id))
    if attempt is not None and (follow or not step):
        raise UsageError("runs log: --attempt needs a STEP, and --follow prints all its attempts")
    if follow:
        run_step.follow(told, step, time.sleep)
    elif step:
        run_step.write_log(told, step, attempt)
    else:
        run_step.Logs().write(told)


@app.command("resume", short_help="Go on with a run that stands still.")
def resume_run(
    run_id: RunId,
    file: File = "",
    config: Config = "",
) -> None:
    """Go on with a run that stands still, whoever started it: submit the jobs that are missing.

    It is for runs that go on from job to job (executors slurm and local-aws-batch). What has ended is not run again.
    """
    from magnus_render.cli import run_jobs

    print(run_jobs.resume(_opened(run_id, file, config)))


@app.command("cancel", short_help="End all jobs of a run.")
def cancel_run(
    run_id: RunId,
    file: File = "",
    config: Config = "",
) -> None:
    """End all jobs of a run, those that wait and those at work; `magnus runs resume` goes on with it.

    It is for runs that go on from job to job (executors slurm and local-aws-batch).
    """
    from magnus_render.cli import run_jobs

    print(run_jobs.cancel(_opened(run_id, file, config)))


@app.command("files", short_help="List the files that a run put into the catalog.")
def list_files(
    run_id: RunId,
    file: File = "",
    config: Config = "",
    as_json: AsJson = False,
) -> None:
    """List the files that a run put into the catalog: size, hash, and the step that put each last."""
    from magnus_render.cli import run_step

    store = stores.open_run_log_store(stores.services(file, config))
    files = Told.read(store, stores.known_run(store, run_id)).files()
    if as_json:
        rows = [{**entry, "step": path} for _, (entry, path) in sorted(files.items())]
        print(json.dumps([{k: v for k, v in row.items() if k != "stage"} for row in rows], indent=2))
        return
    for line in run_step.table(files) if files else [f"run {run_id} has put no files into the catalog"]:
        print(line)


@app.command("get", short_help="Bring files of a run back from the catalog.")
def get_files(
    run_id: RunId,
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE",
            help="Names of files, or globs, as `runs files` lists them.",
            autocompletion=completion.files,
        ),
    ],
    folder: Annotated[
        str, typer.Option("-o", "--output", metavar="FOLDER", help="Where to write them; here by default.")
    ] = ".",
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
    file: File = "",
    config: Config = "",
) -> None:
    """Bring files of a run back from the catalog, with their names and modes. A file that is there is not replaced."""
    from magnus_render.cli import run_step

    if not folder:
        raise UsageError("runs get: -o FOLDER is empty; '.' is this folder")
    services = stores.services(file, config)
    store = stores.open_run_log_store(services)
    told = Told.read(store, stores.known_run(store, run_id))
    for path in run_step.bring(told, lookup.load("catalog", services["catalog"]), names, folder, force):
        print(safe(path))


@app.command("report", short_help="Write a report of a run: one page of HTML.")
def report_run(
    run_id: RunId,
    output: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="Write the page to this file, whole or not at all. Default: standard output.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is no report.")] = False,
    file: File = "",
    config: Config = "",
) -> None:
    """Write a report of a run: one page of HTML to look at, print or mail. It may still be running.

    The page loads nothing. It tells how the run ended and why, the graph, when each step waited and ran, parameters, files,
    logs, the code, and how long earlier runs took. An earlier report is replaced, and no other file unless --force says so.
    """
    from magnus_render.cli import run_report

    store = stores.open_run_log_store(stores.services(file, config))
    run_report.write(Told.read(store, stores.known_run(store, run_id)), output, force)


@app.command("export", short_help="Print a run for other tools.")
def export_run(
    run_id: RunId,
    format: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="openlineage, otlp, rocrate, or one of another package.",
            autocompletion=completion.formats,
            show_default=False,
        ),
    ],
    output: Annotated[
        str,
        typer.Option("-o", "--output", metavar="FILE", help="Where to write; to standard output by default."),
    ] = "",
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    namespace: Annotated[
        str,
        typer.Option("--namespace", metavar="NAME", help="What tells your pipelines from those of others."),
    ] = "magnus",
    file: File = "",
    config: Config = "",
) -> None:
    """Print a run for other tools: lineage, traces, research archives. It may still be running, or have run on any engine.

    Nothing is sent: docs/exports.md says how each tool takes it. The same records give the same bytes.
    """
    from magnus_render.cli import run_export

    store = stores.open_run_log_store(stores.services(file, config))
    run_export.check_namespace(namespace)
    run_export.check_place(output, force)
    made = run_export.export_format(format)
    told = Told.read(store, stores.known_run(store, run_id))
    run_export.write(made.text(run_export.read(told, namespace)), output)


@app.command("diff", short_help="Tell what differs between two runs.")
def diff_runs(
    a: Annotated[
        str, typer.Argument(metavar="A", help="The id of one run.", autocompletion=completion.run_ids)
    ],
    b: Annotated[
        str, typer.Argument(metavar="B", help="The id of the other run.", autocompletion=completion.run_ids)
    ],
    file: File = "",
    config: Config = "",
) -> None:
    """Tell what differs between two runs: definition, parameters, steps, attempts, metrics, files, durations.

    Exit status: 0 if nothing but durations differs, 1 if something does.
    """
    from magnus_render.cli import run_diff

    store = stores.open_run_log_store(stores.services(file, config))
    raise typer.Exit(
        run_diff.write(*(run_diff.Told.read(store, stores.known_run(store, run_id)) for run_id in (a, b)))
    )


@app.command("prune", short_help="Delete runs, and what they alone held.")
def prune_runs(
    run_ids: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN_ID",
            help="Ids of the runs to delete.",
            show_default=False,
            autocompletion=completion.run_ids,
        ),
    ] = None,
    older_than: Annotated[
        float | None,
        typer.Option(
            "--older-than", min=0, metavar="DAYS", help="Delete runs that began more than so many days ago."
        ),
    ] = None,
    keep: Annotated[
        int | None, typer.Option("--keep", min=0, metavar="N", help="Delete all but the newest N runs.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be deleted.")] = False,
    catalog_too: Annotated[
        bool,
        typer.Option(
            "--catalog-too",
            help="Also delete catalogued files that runs of another run log store may still need.",
        ),
    ] = False,
    file: File = "",
    config: Config = "",
) -> None:
    """Delete runs, and what they alone held: their workspaces, and their files in the catalog.

    Runs in progress, and runs whose records cannot be read, go only when they are named. Files of the catalog are kept where
    a remaining run may name them: one in progress, one that cannot be read, or one of another store that uses the catalog.
    """
    from magnus_render.cli import run_prune

    if [bool(run_ids), older_than is not None, keep is not None].count(True) != 1:
        raise UsageError("runs prune takes RUN_ID..., --older-than DAYS or --keep N, and only one of them")
    services = stores.services(file, config)
    store = stores.open_run_log_store(services)
    found = Listing.of(store)
    if run_ids:
        chosen = [stores.known_run(store, run_id) for run_id in dict.fromkeys(run_ids)]
    elif keep is not None:
        chosen = [run.run_id for run in found.runs[keep:]]
    else:
        limit = time.time() - (older_than or 0) * _DAY
        chosen = [run.run_id for run in found.runs if run.record["created"] < limit]
    pruning = run_prune.Pruning(store, lookup.load("catalog", services["catalog"]), found, dry_run)
    verb = "would delete" if dry_run else "deleted"
    for line in pruning.delete(chosen, named=bool(run_ids), catalog_too=catalog_too):
        print(f"{verb} {line}")
    for note in pruning.notes:
        print(f"kept: {note}")


# ---- stores and runs ----


def _folded(store: BaseRunLogStore, run_id: str) -> tuple[Plan, RunRecord, dict[str, Any]]:
    plan, run, _, log = read_folded(store, stores.known_run(store, run_id))
    return plan, run, log


def _opened(run_id: str, file: str, config: str) -> Run:
    store = stores.open_run_log_store(stores.services(file, config))
    run = Run.open(store, stores.known_run(store, run_id))
    if run is None:
        raise UsageError(f"run '{run_id}' has not begun: its record is not there")
    return run
