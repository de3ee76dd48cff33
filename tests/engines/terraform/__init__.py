"""Modules of Terraform, checked and applied by Terraform itself, or OpenTofu, with a provider that reaches nothing.

Its schema is that of the provider for AWS 6.25.0 (`schema.json`, by `scripts/terraform_schema.py`): which attributes and
blocks there are, their types, which are required. What the real provider looks at beyond that, the values of attributes, is
not checked, nor is anything that AWS would say. Policy documents are written by our provider, in the form of AWS's.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.engines.cache import cache
from tests.tools import find, unavailable

_HERE = Path(__file__).parent
_SOURCE, SCHEMA = _HERE / "go", _HERE / "schema.json"
_TOFU = "github.com/opentofu/opentofu@v1.9.1"
_TOFU_SUM = "h1:XCtQDBkjbgoVqx8aXQBmJq85M762vAodQeHDyeq6HE4="


class BuildFailed(Exception):
    """The provider cannot be built here; the text says why."""


@dataclass(frozen=True)
class Module:
    """A module, and the values of its variables."""

    files: Mapping[str, str]
    values: Mapping[str, str]


def missing() -> str | None:
    """Return why modules cannot be checked here, if they cannot. Builds what is not there."""
    try:
        program()
        provider()
    except BuildFailed as error:
        return f"Terraform and its provider cannot be had: {error}"
    return None


def require() -> None:
    """Skip the test if modules cannot be checked here; with CI=true, fail it."""
    if (reason := missing()) is not None:
        unavailable(reason)


@functools.cache
def program() -> str:
    """Return Terraform or OpenTofu, as it is installed; else build OpenTofu, in some three minutes on two cores.

    Raises:
        BuildFailed: neither is installed, and OpenTofu cannot be built.
    """
    if (installed := find("terraform") or find("tofu")) is not None:
        return installed
    folder = cache() / "terraform"
    with _alone(folder):
        built = folder / _TOFU.rpartition("@")[2] / "tofu"
        if not built.exists():
            module = json.loads(_go("mod", "download", "-json", _TOFU))
            if module["Sum"] != _TOFU_SUM:
                raise BuildFailed(f"{_TOFU} is another than was meant")
            _build(built, "./cmd/tofu", Path(module["Dir"]))
    return str(built)


@functools.cache
def provider() -> Path:
    """Return the folder of a mirror that holds the provider alone; build it if it is not there, in some ten seconds.

    Raises:
        BuildFailed: there is no Go, a module cannot be had, or it does not compile.
    """
    version = json.loads(SCHEMA.read_text(encoding="utf-8"))["version"]
    folder = cache() / "terraform" / _identity()
    names = ("registry.terraform.io", "registry.opentofu.org")
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    places = [
        folder / name / "hashicorp" / "aws" / version / f"{platform.system().lower()}_{machine}"
        for name in names
    ]
    with _alone(folder):
        for built in (place / f"terraform-provider-aws_v{version}" for place in places):
            if not built.exists():
                _build(built, ".", _SOURCE)
    return folder


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other processes from building in a folder meanwhile."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(built: Path, package: str, source: Path) -> None:
    """Build a program under another name first: a build that is interrupted leaves nothing that looks finished."""
    built.parent.mkdir(parents=True, exist_ok=True)
    linked = built.with_name(f"{built.name}.new")
    _go("build", "-buildvcs=false", "-trimpath", "-ldflags=-s -w", "-o", str(linked), package, folder=source)
    linked.rename(built)


def apply(folder: Path, modules: Mapping[str, Module]) -> dict[str, Any]:
    """Return what Terraform makes of modules: by their names, the values of each resource and output.

    Raises:
        AssertionError: Terraform refuses; the text is what it says.
    """
    calls, outputs = dict[str, Any](), dict[str, Any]()
    for name, module in modules.items():
        (folder / name).mkdir(parents=True)
        for file, text in module.files.items():
            (folder / name / file).write_text(text, encoding="utf-8")
        calls[name] = {"source": f"./{name}", **module.values}
        outputs[name] = {"value": f"${{module.{name}}}"}
    (folder / "root.tf.json").write_text(json.dumps({"module": calls, "output": outputs}))
    terraform(folder, "init", "-no-color", "-input=false")
    terraform(folder, "apply", "-no-color", "-input=false", "-auto-approve")
    shown = json.loads(terraform(folder, "show", "-json"))["values"]
    found = {name: {"outputs": one["value"]} for name, one in shown["outputs"].items()}
    for child in shown["root_module"]["child_modules"]:
        name = child["address"].removeprefix("module.")
        found[name] |= {
            f"{one['type']}.{one['name']}": one["values"]
            for one in child["resources"]
            if one["mode"] == "managed"
        }
    return found


def validate(folder: Path, module: Module) -> list[str]:
    """Return what Terraform has against a module: nothing, if it is good."""
    folder.mkdir(parents=True)
    for file, text in module.files.items():
        (folder / file).write_text(text, encoding="utf-8")
    terraform(folder, "init", "-no-color", "-input=false")
    told = json.loads(terraform(folder, "validate", "-json", fails=True))
    return [f"{one['summary']}: {one.get('detail', '')}" for one in told["diagnostics"]]


def terraform(folder: Path, *words: str, fails: bool = False) -> str:
    """Run Terraform in a folder; return what it prints. It knows the mirror alone, and asks no registry."""
    config = folder / "cli.tfrc"
    config.write_text(
        f'disable_checkpoint = true\nprovider_installation {{\n  filesystem_mirror {{ path = "{provider()}" }}\n}}\n'
    )
    done = subprocess.run(
        [program(), *words],
        cwd=folder,
        env=os.environ | {"TF_CLI_CONFIG_FILE": str(config), "MAGNUS_TERRAFORM_SCHEMA": str(SCHEMA)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert fails or done.returncode == 0, done.stderr or done.stdout
    return done.stdout


def _identity() -> str:
    digest = hashlib.sha256(_go("env", "GOVERSION").encode())
    for file in sorted(_SOURCE.iterdir()):
        digest.update(f"\0{file.name}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def _go(*arguments: str, folder: Path = _SOURCE) -> str:
    go = find("go")
    if go is None:
        raise BuildFailed("go is not installed")
    done = subprocess.run(
        [go, *arguments],
        cwd=folder,
        env=os.environ | {"GOFLAGS": "-mod=readonly"},
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise BuildFailed(f"go {arguments[0]} fails: {(done.stderr.strip() or done.stdout.strip())[-500:]}")
    return done.stdout
