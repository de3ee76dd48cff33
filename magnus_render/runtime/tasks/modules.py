"""Which modules a task's code finds: the project's own come first, whatever magnus has loaded by then.

A task runs in a process that has loaded modules already, more of them under one engine than under another. A module of the
project that is named like one of them would never be looked for. There, all that is loaded is forgotten, but for what
Python itself has loaded before it looks at a program. The code then finds what `python -c` in the project's folder finds.
"""

from __future__ import annotations

import os
import sys

from magnus_render.errors import is_shortage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_NAMES = """
__main__ _abc _codecs _collections_abc _frozen_importlib _frozen_importlib_external _imp _io _signal
_sitebuiltins _stat _thread _warnings _weakref abc builtins codecs encodings errno genericpath io marshal
ntpath os posix posixpath site sitecustomize stat sys time usercustomize winreg zipimport
"""
_AT_START = frozenset(_NAMES.split())
"""What `python -c pass` has loaded, in 3.10 to 3.14: a program cannot have a module of such a name."""
_OURS = "magnus_render"


def forget_hidden(folders: Iterable[str]) -> None:
    """Forget loaded modules if one of them hides a module of the folders, which come before all others on `sys.path`."""
    loaded = {name.partition(".")[0] for name in sys.modules} - _AT_START - {_OURS, "magnus"}
    if not any(_has_module(folder, loaded) for folder in folders):
        return
    for name, module in list(sys.modules.items()):
        if _may_go(name, module):
            del sys.modules[name]


def _has_module(folder: str, loaded: set[str]) -> bool:
    """Tell whether a folder holds a module or package that is not the loaded one of its name."""
    try:
        entries = os.listdir(folder or os.curdir)
    except OSError as error:
        if is_shortage(error):
            raise
        return False
    for entry in entries:
        name, _, ending = entry.partition(".")
        if name in loaded and not _is_from(sys.modules.get(name), folder):
            # A folder without that file is no package that hides anything: modules further on the path come before it.
            package = not ending and os.path.exists(os.path.join(folder, entry, "__init__.py"))
            if package or ending == "py" or entry.endswith((".so", ".pyd")):
                return True
    return False


def _is_from(module: object, folder: str) -> bool:
    file = getattr(module, "__file__", None)
    return bool(file) and os.path.abspath(str(file)).startswith(os.path.join(os.path.abspath(folder), ""))


def _may_go(name: str, module: object) -> bool:
    """Tell whether a module can be loaded once more: extensions may refuse that, and nothing is named like them."""
    top = name.partition(".")[0]
    if top in _AT_START or top in (_OURS, "magnus") or name in sys.builtin_module_names:
        return False
    file = getattr(module, "__file__", None) or ""
    return not str(file).endswith((".so", ".pyd"))
