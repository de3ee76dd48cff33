"""A root file system for containers, made of this machine's own files, since nothing can be pulled.

It holds the running Python, the packages that the project needs, a shell and a few small programs, and the shared
libraries of all of them; on top of it lies the project's wheel. `magnus` and `python3` are on its PATH. Python's caches
are filled.
"""

from __future__ import annotations

import compileall
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
HOME = Path("opt/magnus")
SITE = HOME / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
PATH = f"/{HOME}/bin:/usr/bin:/bin"
EXTRA = "aws"
PROGRAMS = (
    *(
        "sh",
        "bash",
        "basename",
        "cat",
        "chmod",
        "chown",
        "cp",
        "cut",
        "date",
        "dirname",
        "echo",
        "env",
        "expr",
        "false",
        "grep",
        "head",
    ),
    *(
        "id",
        "kill",
        "ln",
        "ls",
        "mkdir",
        "mktemp",
        "mv",
        "printf",
        "pwd",
        "rm",
        "sed",
        "seq",
        "sleep",
        "sort",
        "tail",
        "tee",
    ),
    *("test", "touch", "tr", "true", "uname", "wc"),
)
_LIBRARY = re.compile(r"(?:=>\s*)?(/\S+)\s+\(0x")
_WITHOUT = shutil.ignore_patterns(
    "site-packages", "dist-packages", "test", "tests", "idlelib", "tkinter", "ensurepip", "*.a", "*.o"
)


def build_base(root: Path) -> None:
    """Fill an empty folder with all but the project itself.

    Raises:
        OSError: something could not be copied or read.
    """
    _copy_python(root)
    site = root / SITE
    site.mkdir(parents=True)
    for distribution in needed():
        _copy_distribution(distribution, site)
    _make_environment(root / HOME)
    for program in PROGRAMS:
        if (path := shutil.which(program, path="/bin:/usr/bin")) is not None:
            _copy(Path(path), root / "usr" / "bin" / program)
    _copy_libraries(root)
    _make_base(root)
    _compile(root)


def build_project(root: Path, wheel: Path) -> None:
    """Fill an empty folder with what comes on top of the base."""
    site = root / SITE
    site.mkdir(parents=True)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    _compile(root)


def _compile(root: Path) -> None:
    """Compile what has not been compiled on this machine."""
    compileall.compile_dir(root, quiet=2, stripdir=str(root))


def needed() -> list[metadata.Distribution]:
    """Return the installed distributions that the project needs with its extra for AWS."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extra = project["optional-dependencies"].get(EXTRA, [])
    pending = [(Requirement(text), "") for text in [*project["dependencies"], *extra]]
    found: dict[str, metadata.Distribution] = {}
    seen: set[tuple[str, str]] = set()
    while pending:
        requirement, context = pending.pop()
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": context}):
            continue
        for wanted in {(requirement.name.lower(), each) for each in ("", *requirement.extras)} - seen:
            seen.add(wanted)
            found[wanted[0]] = distribution = metadata.distribution(wanted[0])
            pending += [(Requirement(text), wanted[1]) for text in distribution.requires or []]
    return [distribution for _, distribution in sorted(found.items())]


def _copy_python(root: Path) -> None:
    executable = Path(sys.executable).resolve()
    _copy(executable, root / executable.relative_to("/"))
    standard = Path(sysconfig.get_path("stdlib"))
    shutil.copytree(standard, root / standard.relative_to("/"), ignore=_WITHOUT, symlinks=True)


def _copy_distribution(distribution: metadata.Distribution, site: Path) -> None:
    for file in distribution.files or []:
        source = Path(str(distribution.locate_file(file)))
        if ".." in file.parts or not source.is_file():
            continue
        _copy(source, site / file)


def _make_environment(home: Path) -> None:
    """Make the folder a virtual environment of the copied Python."""
    executable = Path(sys.executable).resolve()
    (home / "bin").mkdir()
    for name in ("python", "python3"):
        (home / "bin" / name).symlink_to(executable)
    (home / "pyvenv.cfg").write_text(f"home = {executable.parent}\ninclude-system-site-packages = false\n")
    program = home / "bin" / "magnus"
    program.write_text(
        f"#!/{HOME}/bin/python3\nimport sys\n\nfrom magnus_render.cli.main import main\n\nsys.exit(main())\n"
    )
    program.chmod(0o755)


def _make_base(root: Path) -> None:
    for name in ("tmp", "proc", "sys", "dev", "etc", "root"):
        (root / name).mkdir(exist_ok=True)
    (root / "tmp").chmod(0o1777)
    (root / "etc" / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (root / "etc" / "group").write_text("root:x:0:\n")
    (root / "etc" / "nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files dns\n")
    certificates = Path("/etc/ssl/certs/ca-certificates.crt")
    if certificates.exists():
        _copy(certificates, root / certificates.relative_to("/"))
    for name in ("bin", "lib", "lib64"):  # as on the machine itself, where it has them
        if Path(f"/{name}").is_symlink() and not (root / name).exists():
            (root / name).symlink_to(Path(f"/{name}").readlink())
    if not (root / "bin").exists():
        (root / "bin").symlink_to("usr/bin")


def _copy_libraries(root: Path) -> None:
    """Copy the shared libraries of every program and library that is there."""
    paths = [path for path in root.rglob("*") if path.is_file() and not path.is_symlink() and _is_elf(path)]
    for library in _libraries(paths):
        target = root / library.relative_to("/")
        if not target.exists():
            _copy(library, target)


def _libraries(paths: Iterable[Path]) -> Iterator[Path]:
    # A library may be told "not found" where it is loaded by another that knows the way: no error.
    with ThreadPoolExecutor() as pool:
        for listed in pool.map(
            lambda path: subprocess.run(["ldd", str(path)], capture_output=True, text=True), paths
        ):
            yield from {Path(found) for found in _LIBRARY.findall(listed.stdout)}


def _is_elf(path: Path) -> bool:
    with open(path, "rb") as file:
        return file.read(4) == b"\x7fELF"


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(
        source, target
    )  # with its time of change, by which Python knows that its cache is up to date
