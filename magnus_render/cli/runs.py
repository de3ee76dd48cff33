"""`magnus runs`: list, show, compare and delete the runs in a run log store."""

from __future__ import annotations

import json
import time
from datetime import datetime
from typing import Annotated, Any

import typer

from magnus_render.cli import stores
from magnus_render.cli.run_text import colours, painted, show, spans, took
from magnus_render.errors import Refused, UsageError
from magnus_render.runtime.fold import fold, read_run
from magnus_render.services import lookup
from magnus_render.texts import safe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from magnus_render.plan import Plan, RunRecord
    from magnus_render.services.base import BaseRunLogStore

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Run logs: list, show, diff, prune.")

_DAY = 86400

File = Annotated[
    str,
    typer.Option("-f", "--file", metavar="FILE", help="The definition whose configuration names the stores."),
]
Config = Annotated[
    str,
    typer.Option("-c", "--config", metavar="FILE", help="Configuration that stands beside the definition."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_runs(
    file: File = "",
    config: Config = "",
    limit: Annotated[
        int, typer.Option("-n", "--limit", min=0, metavar="N", help="The newest N; 0 for all.")
    ] = 20,
    as_json: AsJson = False,
) -> None:
    """List runs, the newest first: how they ended, when they began, how long they took.

    The stores are those of -f and -c, else of MAGNUS_CONFIG, else .run_log_store and .catalog.
    """
    store = stores.open_run_log_store(stores.services(file, config))
    found = _by_age(store)
    shown = found[: limit or len(found)]
    rows = []
    for created, run_id in shown:
        _, run, log = _folded(store, run_id)
        rows.append(
            {
                "run_id": run_id,
                "status": log["status"],
                "started": datetime.fromtimestamp(created).strftime("%Y-%m-%d %H:%M:%S"),
                "took": took(spans(log, time.time())[""]),
                "pipeline": run["name"],
                "target": run["target"],
                "tag": run["tag"],
            }
        )
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    for line in _table(rows):
        print(line)
    if len(found) > len(shown):
        print(f"and {len(found) - len(shown)} older (--limit 0 lists all)")
    if not found:
        print(f"no runs in {stores.place(store)}")


@app.command("show")
def show_run(
    run_id: Annotated[str, typer.Argument(metavar="RUN_ID", help="The run.")],
    file: File = "",
    config: Config = "",
    as_json: AsJson = False,
    everything: Annotated[bool, typer.Option("--all", help="Show every item of every map.")] = False,
) -> None:
    """Show a run: the tree of its steps, what failed, why, and where the logs are. It may still be running.

    --json prints the folded run log of docs/semantics.md.
    """
    store = stores.open_run_log_store(stores.services(file, config))
    _, run, log = _folded(store, run_id)
    if as_json:
        print(json.dumps(log, indent=2))
        return
    for line in show(log, run, store, colour=colours(), everything=everything):
        print(line)


@app.command("diff")
def diff_runs(
    a: Annotated[str, typer.Argument(metavar="A", help="A run.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Another run.")],
    file: File = "",
    config: Config = "",
) -> None:
    """Tell what differs between two runs: definition, parameters, steps, attempts, metrics, files, durations.

    Exit status: 0 if nothing but durations differs, 1 if something does.
    """
    from magnus_render.cli.run_diff import Told, differences, durations

    store = stores.open_run_log_store(stores.services(file, config))
    told = []
    for run_id in (a, b):
        plan, run, records = read_run(store, stores.known_run(store, run_id))
        told.append(Told(plan, run, records, fold(plan, run, records, time.time())))
    found = list(differences(*told))
    for line in found:
        print(line)
    slower = list(durations(*told))
    for line in ["durations:", *(f"  {line}" for line in slower)] if slower else []:
        print(line)
    if not found:
        print(f"{a} and {b} do not differ{', durations aside' if slower else ''}")
    raise typer.Exit(1 if found else 0)


@app.command("prune")
def prune_runs(
    run_ids: Annotated[
        list[str] | None, typer.Argument(metavar="[RUN_ID]...", help="Runs to delete.", show_default=False)
    ] = None,
    older_than: Annotated[
        float | None,
        typer.Option("--older-than", min=0, metavar="DAYS", help="Delete runs that began before that."),
    ] = None,
    keep: Annotated[
        int | None, typer.Option("--keep", min=0, metavar="N", help="Delete all but the newest N runs.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be deleted.")] = False,
    file: File = "",
    config: Config = "",
) -> None:
    """Delete runs, then the catalog's files and the workspaces that no remaining run has a part in.

    Runs in progress go only when they are named. While one remains, no file of the catalog is deleted: it may be using
    any.
    """
    from magnus_render.cli import run_prune

    ways = [bool(run_ids), older_than is not None, keep is not None]
    if sum(ways) != 1:
        raise UsageError("runs prune takes RUN_ID..., --older-than DAYS or --keep N, and only one of them")
    services = stores.services(file, config)
    store = stores.open_run_log_store(services)
    catalog = lookup.load("catalog", services["catalog"])
    everything = _by_age(store)
    if run_ids:
        chosen = [stores.known_run(store, run_id) for run_id in dict.fromkeys(run_ids)]
    elif keep is not None:
        chosen = [run_id for _, run_id in everything[keep:]]
    else:
        limit = time.time() - (older_than or 0) * _DAY
        chosen = [run_id for created, run_id in everything if created < limit]
    named = set(chosen) if run_ids else set()
    running = {run_id for _, run_id in everything if run_id not in named and _in_progress(store, run_id)}
    notes = []
    if not run_ids:
        notes = [
            f"kept: run {run_id} is in progress (name it to delete it)"
            for run_id in chosen
            if run_id in running
        ]
        chosen = [run_id for run_id in chosen if run_id not in running]
    verb = "would delete" if dry_run else "deleted"
    for line in run_prune.remove_runs(store, chosen, dry_run):
        print(f"{verb} {line}")
    kept = set(store.runs()) - set(chosen)
    if running & kept:
        notes.append(
            f"kept: the catalog's files, for {_one(running & kept)} is in progress and may use any of them"
        )
    else:
        for line in run_prune.remove_blobs(store, catalog, kept, dry_run):
            print(f"{verb} {line}")
    for line in run_prune.remove_workspaces(kept, dry_run):
        print(f"{verb} {line}")
    for note in notes:
        print(note)


# ---- stores and runs ----


def _by_age(store: BaseRunLogStore) -> list[tuple[float, str]]:
    """Return (creation time, id) of all runs, the newest first; those nobody finished creating are left out."""
    found = []
    for run_id in store.runs():
        data = store.read(f"{run_id}/run.json")
        if data is not None:
            try:
                found.append((float(json.loads(data)["created"]), run_id))
            except (ValueError, KeyError, TypeError):
                raise Refused(
                    f"{run_id}/run.json in {stores.place(store)} is not the record of a run"
                ) from None
    return sorted(found, key=lambda entry: (-entry[0], entry[1]))


def _folded(store: BaseRunLogStore, run_id: str) -> tuple[Plan, RunRecord, dict[str, Any]]:
    plan, run, records = read_run(store, stores.known_run(store, run_id))
    return plan, run, fold(plan, run, records, time.time())


def _in_progress(store: BaseRunLogStore, run_id: str) -> bool:
    return _folded(store, run_id)[2]["status"] in ("PROCESSING", "TRIGGERED")


# ---- text ----


def _table(rows: list[dict[str, str]]) -> list[str]:
    if not rows:
        return []
    texts = [{key: safe(value) for key, value in row.items()} for row in rows]
    used = [key for key in rows[0] if any(text[key] for text in texts)]
    widths = {key: max(len(key), *(len(text[key]) for text in texts)) for key in used}
    colour = colours()
    lines = ["  ".join(key.replace("_", " ").upper().ljust(widths[key]) for key in used).rstrip()]
    for text in texts:
        cells = [
            painted(text[key], colour, widths[key]) if key == "status" else text[key].ljust(widths[key])
            for key in used
        ]
        lines.append("  ".join(cells).rstrip())
    return lines


def _one(runs: set[str]) -> str:
    more = f" (and {len(runs) - 1} more)" if len(runs) > 1 else ""
    return f"run {min(runs)}{more}"
