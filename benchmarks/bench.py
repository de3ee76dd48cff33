"""Measure what users wait for, as ratios to `python -c pass`, beside the figures of comparable tools.

The wheel is built and installed, with what it needs, into a clean virtual environment; everything is measured there,
in one run, as medians. Each row of the table says whether its bound is met.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from loopback_batch import serving as batch
from loopback_s3 import LoopbackS3, serving, variables

ROOT = Path(__file__).resolve().parents[1]
LIBRARIES = "import networkx, yaml, jinja2, pydantic, typer"
IMPORTING = """
import gc
gc.disable()
for name in {names}:
    try:
        __import__(name)
    except ImportError:  # libraries try some modules that other systems have
        pass
"""
STORES = {
    "run_log_store": {"type": "file-system", "config": {"path": "store"}},
    "catalog": {"type": "file-system", "config": {"path": "blobs"}},
    "secrets": {"type": "do-nothing", "config": {}},
}
S3 = {"type": "s3", "config": {"bucket": "bench"}}
S3_STORES = {**STORES, "run_log_store": S3, "catalog": S3}
RUN = "a-run"


@dataclass
class Row:
    """One line of the result."""

    name: str
    ours: float
    unit: str
    bound: float | None
    """At most this; None where there is none."""
    peers: str
    """The best figures known of comparable tools, in the same unit."""

    @property
    def verdict(self) -> str:
        return "" if self.bound is None else ("met" if self.ours <= self.bound else "NOT MET")


class Bench:
    """An installed wheel, a scratch folder, and the rows measured so far."""

    def __init__(self, scratch: Path, repeat: int) -> None:
        self.scratch = scratch
        self.repeat = repeat
        self.rows: list[Row] = []
        self.passes: list[float] = []
        self.memory = 0
        self.peak = 0
        self.processor = 0.0
        self.bin = install(scratch)
        self.environment = {
            "PATH": os.pathsep.join((str(self.bin), os.environ.get("PATH", os.defpath))),
            "HOME": str(scratch),
            "LANG": "C.UTF-8",
            "CI": "true",
        }
        self.floor = 0.0

    def seconds(self, *argv: str, cwd: Path | None = None, expected: int = 0, **variables: str) -> float:
        """Run a program of the installed environment; return its wall-clock time.

        `memory` is then its peak in MiB, `processor` the seconds of the processor that it and its children took.
        """
        command = [str(self.bin / argv[0]) if (self.bin / argv[0]).exists() else argv[0], *argv[1:]]
        with tempfile.TemporaryFile() as output:
            started = time.perf_counter()
            process = subprocess.Popen(
                command,
                cwd=cwd or self.scratch,
                env=self.environment | variables,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
            _, status, usage = os.wait4(process.pid, 0)
            taken = time.perf_counter() - started
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode != expected:
                output.seek(0)
                text = output.read().decode(errors="replace")[-2000:]
                raise SystemExit(f"bench: {' '.join(argv)} exited {process.returncode}\n{text}")
        self.memory = mebibytes(usage)
        self.processor = usage.ru_utime + usage.ru_stime
        return taken

    def imports(self, *argv: str, cwd: Path) -> str:
        """Return code that imports what a call of `magnus` imports, without the search for garbage, as the call does."""
        command = [str(self.bin / "python"), "-X", "importtime", str(self.bin / "magnus"), *argv]
        done = subprocess.run(
            command, cwd=cwd, env=self.environment, check=True, capture_output=True, text=True
        )
        lines = [line.split("|") for line in done.stderr.splitlines() if line.startswith("import time:")]
        return IMPORTING.format(names=[parts[2].strip() for parts in lines[1:]])

    def median(self, measure: Callable[[], float], repeat: int | None = None) -> float:
        """Return the median of `measure`, in multiples of `python -c pass` measured in between; sets `peak` (MiB)."""
        measure()  # writes byte code, fills the disk's cache
        self.peak = self.memory
        taken, passes = [], []
        for _ in range(repeat or self.repeat):
            taken.append(measure())
            passes.append(self.seconds("python", "-c", "pass"))
        self.passes += passes
        return statistics.median(taken) / statistics.median(passes)

    def add(self, name: str, ours: float, bound: float | None, peers: str, unit: str = "× pass") -> None:
        self.rows.append(Row(name, round(ours, 2), unit, bound, peers))
        print(f"bench: {name}: {ours:.2f} {unit}", file=sys.stderr)


def mebibytes(usage: resource.struct_rusage) -> int:
    """Return the peak resident memory of a child (the kernels differ in the unit)."""
    return int(usage.ru_maxrss / (1024 * 1024 if sys.platform == "darwin" else 1024))


def install(scratch: Path) -> Path:
    """Build the wheel, install it into a clean virtual environment, return that environment's folder of programs.

    Its pip is the newest, as that is what writes the script `magnus`: before 25.1 it made that load `re`.
    """
    source = scratch / "source"
    ignore = shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "tests", "__pycache__")
    shutil.copytree(ROOT, source, ignore=ignore)
    venv = scratch / "venv"
    programs = venv / "bin"
    quiet = ["-m", "pip", "--quiet", "--disable-pip-version-check"]
    call(sys.executable, *quiet, "wheel", "--no-deps", "--wheel-dir", str(scratch), str(source))
    call(sys.executable, "-m", "venv", str(venv))
    (wheel,) = scratch.glob("*.whl")
    call(str(programs / "python"), *quiet, "install", "--upgrade", "pip")
    call(str(programs / "python"), *quiet, "install", str(wheel))
    return programs


def call(*argv: str) -> None:
    subprocess.run(argv, check=True, stdout=sys.stderr)


# ---- what is measured ----


def linear(steps: int, kind: str, stores: Mapping[str, object] = STORES) -> str:
    """Return a definition of `steps` steps in a row: `shell` ones that run true, or `python` ones that do nothing."""
    command = {"shell": 'command_type: shell, command: "true"', "python": "command: nothing.at_all"}[kind]
    lines = ["dag:", "  start_at: s1", "  steps:"]
    for n in range(1, steps + 1):
        after = f"s{n + 1}" if n < steps else "success"
        lines.append(f"    s{n}: {{type: task, {command}, next: {after}}}")
    lines += ["    success: {type: success}", "    fail: {type: fail}"]
    lines += [f"{name}: {json.dumps(block)}" for name, block in stores.items()]
    return "\n".join(lines) + "\n"


def folder(bench: Bench, name: str, definition: str) -> Path:
    path = bench.scratch / name
    path.mkdir()
    (path / "dag.yaml").write_text(definition)
    (path / "nothing.py").write_text("def at_all():\n    pass\n")
    return path


def start_up(bench: Bench) -> None:
    bench.add("magnus --help", bench.median(lambda: bench.seconds("magnus", "--help")), 8, "13")
    asked = {"_MAGNUS_COMPLETE": "complete_bash", "COMP_WORDS": "magnus runs show ", "COMP_CWORD": "3"}
    bench.add("TAB behind `magnus runs show`", bench.median(lambda: bench.seconds("magnus", **asked)), 20, "")


def render(bench: Bench) -> None:
    libraries = bench.median(lambda: bench.seconds("python", "-c", LIBRARIES))
    bench.add("(importing networkx, yaml, jinja2, pydantic, typer)", libraries, None, "")
    path = folder(bench, "render-imports", linear(10, "shell"))
    imports = bench.imports("render", "dag.yaml", "--target", "bash", "-o", "run.sh", cwd=path)
    bench.floor = bench.median(lambda: bench.seconds("python", "-c", imports))
    bench.add("(importing all that a rendering for bash imports)", bench.floor, None, "")
    taken = {}
    bounds = {10: round(bench.floor + 3, 2), 1000: 30.0, 10000: 80.0}
    peers = {10: "30", 1000: "78 (30 with a trivial format)", 10000: "209"}
    for steps, bound in bounds.items():
        path = folder(bench, f"render-{steps}", linear(steps, "shell"))
        argv = ("magnus", "render", "dag.yaml", "--target", "bash", "-o", "run.sh")
        repeat = bench.repeat if steps == 10 else max(3, bench.repeat // 3)
        taken[steps] = bench.median(lambda argv=argv, path=path: bench.seconds(*argv, cwd=path), repeat)  # type: ignore[misc]
        bench.add(f"render {steps} linear steps (bash)", taken[steps], bound, peers[steps])
    growth = (taken[10000] - taken[10]) / (taken[1000] - taken[10])
    bench.add("render, growth from 1000 to 10000, above 10 steps", growth, 12, "", "fold")
    bench.add("render 10000 steps, peak memory", bench.peak, 250, "", "MiB")


def beside_bash(
    bench: Bench, target: str, config: Mapping[str, object], bound: float, most: int, peer: str
) -> None:
    """Render for an engine and for bash, in turns; the largest is refused with the limit that it exceeds.

    `bound` is that of the ratio, `most` the bytes a plain step may take, `peer` what others' take.
    """
    sizes = {}
    for steps in (10, 1000, 10000):
        here = folder(bench, f"{target}-{steps}", linear(steps, "shell", config))
        scripts = folder(bench, f"{target}-scripts-{steps}", linear(steps, "shell"))
        render = ("magnus", "render", "dag.yaml", "-t", target, "-o", "out")
        refused = steps == 10000
        ours, theirs = [], []
        for _ in range(max(5, bench.repeat // (3 if refused else 1))):
            ours.append(bench.seconds(*render, cwd=here, expected=65 if refused else 0))
            theirs.append(
                bench.seconds("magnus", "render", "dag.yaml", "-t", "bash", "-o", "run.sh", cwd=scripts)
            )
            bench.passes.append(bench.seconds("python", "-c", "pass"))
        ratio = statistics.median(ours) / statistics.median(theirs)
        bench.add(
            f"render {steps} {'refused' if refused else 'linear'} steps ({target})",
            ratio,
            bound,
            "",
            "× bash",
        )
        if not refused:
            if target == "stepfunctions":
                bench.seconds(*render, "--compact", cwd=here)
            sizes[steps] = (here / "out").stat().st_size
    each = (sizes[1000] - sizes[10]) / 990
    bench.add(f"{target}, a linear step", each, most, peer, "bytes")


def state_machines(bench: Bench) -> None:
    """Step Functions, in few bytes."""
    stores = {name: {"type": "s3", "config": {"bucket": "runs"}} for name in ("run_log_store", "catalog")}
    beside_bash(bench, "stepfunctions", stores, 1.3, 600, "9700")


def manifests(bench: Bench) -> None:
    """Argo, as people read it."""
    config = {"image": "i", "persistent_volumes": [{"claim": "c", "mount_path": "/mnt/c"}]}
    blocks: dict[str, object] = {"executor": {"type": "argo", "config": config}}
    for name in ("run_log_store", "catalog"):
        blocks[name] = {"type": "file-system", "config": {"path": f"/mnt/c/{name}"}}
    beside_bash(bench, "argo", blocks, 1.5, 400, "18000")


def project(bench: Bench) -> None:
    """All artefacts of a project are compared in one process, beside one rendering, in turns."""
    one = folder(bench, "project-one", linear(10, "shell"))
    path = folder(bench, "project", linear(10, "shell"))
    pipelines = {}
    for n in range(200):
        (path / f"p{n}.yaml").write_text(linear(10, "shell").replace("dag:", f"dag:\n  name: p{n}"))
        pipelines[f"p{n}"] = {"definition": f"p{n}.yaml"}
    (path / "magnus.yaml").write_text(json.dumps({"pipelines": pipelines, "targets": {"bash": {}}}))
    bench.seconds("magnus", "render", "--all", cwd=path)
    all_of_them, single = [], []
    for _ in range(max(5, bench.repeat // 3)):
        all_of_them.append(bench.seconds("magnus", "render", "--all", "--check", cwd=path))
        single.append(
            bench.seconds("magnus", "render", "dag.yaml", "--target", "bash", "-o", "run.sh", cwd=one)
        )
        bench.passes.append(bench.seconds("python", "-c", "pass"))
    ratio = statistics.median(all_of_them) / statistics.median(single)
    bench.add("render --all --check of 200 pipelines of 10 steps", ratio, 15, "", "× one")


@contextmanager
def undone(store: Path) -> Iterator[None]:
    """Delete the records that the block creates, so that a step can be run again as if for the first time."""
    before = set(store.rglob("*"))
    yield
    for path in sorted(set(store.rglob("*")) - before, reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


def callback(bench: Bench) -> None:
    steps = 1000
    services = json.dumps(STORES)
    for kind, bound, peers in (("shell", 5.0, "25"), ("python", None, "25 to 28")):
        path = folder(bench, f"callback-{kind}", linear(steps, kind))
        bench.seconds("magnus", "execute", "-f", "dag.yaml", "--run-id", RUN, cwd=path)
        store = path / "store"
        taken = {}
        for last in (1000, 10):
            forget(store / RUN / "steps", range(last, steps + 1))

            def once(step: str = f"s{last}", path: Path = path, store: Path = store) -> float:
                with undone(store):
                    seconds = bench.seconds(
                        "magnus", "execute_single_node", RUN, step, cwd=path, MAGNUS_CONFIG=services
                    )
                    if not (store / RUN / "steps" / step / "outcome.json").exists():
                        raise SystemExit(f"bench: the callback of {step} recorded nothing")
                return seconds

            taken[last] = bench.median(once)
            bench.add(
                f"callback, {kind} step that does nothing, step {last} of {steps}", taken[last], bound, peers
            )
        growth = taken[1000] / taken[10]
        bench.add(f"callback, {kind} step, step 1000 against step 10", growth, 1.1, "", "fold")


def forget(records: Path, steps: Iterable[int]) -> None:
    """Delete the records of some steps, and of the graph's end, from a run of `linear`."""
    for n in steps:
        shutil.rmtree(records / f"s{n}", ignore_errors=True)
    (records / "end.json").unlink(missing_ok=True)


def callback_s3(bench: Bench) -> None:
    """The callback with its run log and catalog on S3; the loopback's own time is told apart, being no part of it."""
    call(
        str(bench.bin / "python"), "-m", "pip", "--quiet", "--disable-pip-version-check", "install", "obstore"
    )
    path = folder(bench, "callback-s3", linear(1000, "shell", S3_STORES))
    with serving() as server:
        environment = variables(server) | {"MAGNUS_CONFIG": json.dumps(S3_STORES)}
        bench.seconds("magnus", "start_run", RUN, "-f", "dag.yaml", cwd=path, **environment)
        bench.seconds("magnus", "execute_single_node", RUN, "s1", cwd=path, **environment)
        before = dict(server.objects)
        busy = []

        def once() -> float:
            server.objects.clear()
            server.objects.update(before)
            server.requests.clear()
            server.busy = 0.0
            seconds = bench.seconds("magnus", "execute_single_node", RUN, "s2", cwd=path, **environment)
            busy.append(server.busy)
            if not any(key.endswith("/s2/outcome.json") for key in server.objects):
                raise SystemExit("bench: the callback on S3 recorded nothing")
            return seconds

        bench.add("callback on S3, shell step that does nothing", bench.median(once), 8, "")
        bench.add("callback on S3, requests", len(server.requests), None, "", "")
        share = statistics.median(busy) / statistics.median(bench.passes)
        bench.add("callback on S3, time in the loopback itself", share, None, "")


def hand_over(bench: Bench) -> None:
    """A job of AWS Batch beside the callback that it makes, in turns; it submits the job that follows to a loopback.

    With certificates the service is reached by TLS, and all certificates of this machine are read for that.
    """
    call(
        str(bench.bin / "python"), "-m", "pip", "--quiet", "--disable-pip-version-check", "install", "obstore"
    )
    path = folder(bench, "hand-over", linear(1000, "shell", S3_STORES))
    for name, certificates in (("", None), (", by TLS", bench.scratch / "certificates")):
        with serving() as server, batch(certificates) as (url, jobs):
            environment = variables(server) | {
                "MAGNUS_CONFIG": json.dumps(S3_STORES),
                "AWS_BATCH_JOB_ID": "j",
            }
            environment["AWS_ENDPOINT_URL_BATCH"] = url
            if certificates:
                environment["SSL_CERT_FILE"] = str(certificates / "all.pem")
            added = beside_callback(bench, path, server, jobs, environment)
            bench.add(f"what a hand-over on AWS Batch adds{name}", added, 1.5, "", "× callback")


def beside_callback(
    bench: Bench, path: Path, server: LoopbackS3, jobs: list[str], environment: Mapping[str, str]
) -> float:
    """Return what a job takes besides its callback, as a multiple of that."""
    bench.seconds("magnus", "start_run", RUN, "-f", "dag.yaml", cwd=path, **environment)
    bench.seconds("magnus", "execute_single_node", RUN, "s1", cwd=path, **environment)
    walk = {"executor": "local-aws-batch", "config": {"job_queue": "q", "job_definition": "d"}}
    record = json.dumps({**walk, "services": S3_STORES, "nodes": {}}).encode()
    before = {**server.objects, f"bench/run_log/{RUN}/jobs/walk.json": record}

    def once(*argv: str) -> float:
        server.objects.clear()
        server.objects.update(before)
        return bench.seconds("magnus", *argv, cwd=path, **environment)

    alone, taken = [], []
    for _ in range(bench.repeat + 1):  # the first one writes byte code
        alone.append(once("execute_single_node", RUN, "s2"))
        jobs.clear()
        taken.append(once("run_job", RUN, "s2", "--after", "s1"))
        if jobs != ["magnus-render"]:
            raise SystemExit(f"bench: the job did not submit one job without botocore: {jobs}")
        bench.passes.append(bench.seconds("python", "-c", "pass"))
    callback, job = (statistics.median(seconds[1:]) for seconds in (alone, taken))
    return (job - callback) / callback


def whole_runs(bench: Bench) -> None:
    steps = 1000
    path = folder(bench, "execute", linear(steps, "python"))
    runs = iter(range(100))

    def execute() -> float:
        return bench.seconds("magnus", "execute", "-f", "dag.yaml", "--run-id", f"run-{next(runs)}", cwd=path)

    bench.add(f"execute {steps} empty python steps, per step", bench.median(execute, 3) / steps, 3, "26")

    steps = 100
    path = folder(bench, "bash", linear(steps, "shell"))
    bench.seconds("magnus", "render", "dag.yaml", "--target", "bash", "-o", "run.sh", cwd=path)

    def script() -> float:
        return bench.seconds("bash", "run.sh", f"run-{next(runs)}", cwd=path)

    bench.add(
        f"rendered bash, {steps} empty shell steps, per step", bench.median(script, 3) / steps, None, "25"
    )


def report(bench: Bench) -> None:
    """The page of a run of 1000 steps, from the default store: no definition is read for it."""
    stores = {**STORES, "run_log_store": {"type": "file-system", "config": {}}}
    path = folder(bench, "report", linear(1000, "python", stores))
    bench.seconds("magnus", "execute", "-f", "dag.yaml", "--run-id", RUN, cwd=path)
    argv = ("magnus", "runs", "report", RUN, "-o", "report.html")
    taken = bench.median(lambda: bench.seconds(*argv, cwd=path))
    bench.add("report of a run of 1000 steps", taken, 40, "")
    bench.add("report of a run of 1000 steps, size", (path / "report.html").stat().st_size / 1e6, 3, "", "MB")


ROWS = {
    "help": start_up,
    "render": render,
    "project": project,
    "callback": callback,
    "callback_s3": callback_s3,
    "hand_over": hand_over,
    "execute": whole_runs,
    "report": report,
    "stepfunctions": state_machines,
    "argo": manifests,
}


def table(bench: Bench) -> str:
    head = ("", "ours", "bound", "", "best peer")
    lines = [head]
    for row in bench.rows:
        bound = "" if row.bound is None else f"≤ {row.bound:g}"
        lines.append((row.name, f"{row.ours:.2f} {row.unit}", bound, row.verdict, row.peers))
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    padded = ((text.ljust(width) for text, width in zip(line, widths, strict=True)) for line in lines)
    return "\n".join("  ".join(line).rstrip() for line in padded)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--repeat", type=int, default=15, help="how often each is measured (default 15)")
    parser.add_argument("--only", action="append", choices=ROWS, help="a group of rows; may be repeated")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory(prefix="magnus-bench-") as scratch:
        bench = Bench(Path(scratch), options.repeat)
        for name in options.only or ROWS:
            ROWS[name](bench)

    unit = statistics.median(bench.passes)
    if options.json:
        rows = [{**asdict(row), "verdict": row.verdict} for row in bench.rows]
        machine = {"python": platform.python_version(), "system": platform.system(), "cores": os.cpu_count()}
        print(json.dumps({"pass_seconds": round(unit, 5), "machine": machine, "rows": rows}, indent=2))
    else:
        print(table(bench))
        print(f"\npass: {unit * 1000:.1f} ms, Python {platform.python_version()}, {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
