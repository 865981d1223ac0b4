"""What isolates programs on this machine: bubblewrap where it is installed, else the namespaces of Linux itself."""

from __future__ import annotations

import glob
import json
import os
import shutil
import sys
import sysconfig
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

JAIL = Path(__file__).with_name("jail.py")
DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")
ENVIRONMENT = {"PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8", "HOME": "/tmp", "TMPDIR": "/tmp", "MALLOC_ARENA_MAX": "2"}
"""All that a program's environment holds: sets have one order, run after run."""
ENABLE = ("install bubblewrap (apt install bubblewrap, dnf install bubblewrap), or allow unprivileged user namespaces "
          "(sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns; "
          "in a container: --security-opt seccomp=unconfined)")

Engine = Literal["bubblewrap", "namespaces"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a program may use: bytes of memory and of disk (in /tmp, which is memory too), and seconds of the processor."""

    memory: int
    disk: int
    cpu: int


@cache
def interpreter() -> str:
    """The Python that programs run on: this one, without its virtual environment."""
    return os.path.realpath(getattr(sys, "_base_executable", sys.executable))


@cache
def binds() -> tuple[tuple[str, str], ...]:
    """What a program can read, as (source, target): the interpreter, its standard library, the system's shared libraries."""
    here, stdlib = sys.base_prefix, os.path.dirname(os.__file__)
    architecture = getattr(sys.implementation, "_multiarch", "")
    shared = [f"{root}/{architecture}" for root in ("/lib", "/usr/lib") if architecture and os.path.isdir(f"{root}/{architecture}")]
    library = sysconfig.get_config_var("LIBDIR") or f"{here}/lib"
    own = [] if here == "/usr" else [f"{here}/lib", library]
    wanted = [interpreter(), stdlib, *own, *(shared or ["/lib", "/usr/lib"]), "/lib64", "/usr/lib64", "/etc/ld.so.cache",
              "/usr/share/zoneinfo"]
    there = sorted({path for path in wanted if os.path.exists(path)})
    outer = [path for path in there if not any(path.startswith(f"{other}/") for other in there)]
    return tuple((os.path.realpath(path), path) for path in outer)


@cache
def hidden() -> tuple[str, ...]:
    """Folders of installed packages inside of what is bound: a program sees the standard library alone."""
    return tuple(sorted(path for _, target in binds() for part in ("site-packages", "dist-packages")
                        for depth in ("", "*/", "*/*/") for path in glob.glob(f"{target}/{depth}{part}") if os.path.isdir(path)))


def command(engine: Engine, limits: Limits, ready: int) -> list[str]:
    """The command line that reads a program from standard input and runs it shut in."""
    settings = {
        "mode": "namespaces" if engine == "namespaces" else "confine", "ready": ready, "parent": os.getpid(),
        "binds": [*binds(), *((device, device) for device in DEVICES)], "hidden": hidden(),
        "memory": limits.memory, "disk": limits.disk, "cpu": limits.cpu, "environment": ENVIRONMENT,
        "argv": [interpreter(), "-P", "-s", "-B", "-X", "utf8"],
    }
    jail = [interpreter(), "-I", "-S", "-B"]
    if engine == "namespaces":
        return [*jail, str(JAIL), json.dumps(settings)]
    return [*_bubblewrap(limits), *jail, "/jail.py", json.dumps(settings)]


def _bubblewrap(limits: Limits) -> list[str]:
    words = [shutil.which("bwrap") or "bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--clearenv",
             "--uid", "65534", "--gid", "65534", "--hostname", "sandbox", "--cap-drop", "ALL"]
    for source, target in binds():
        words += ["--ro-bind", source, target]
    for path in hidden():
        words += ["--tmpfs", path, "--remount-ro", path]
    for device in DEVICES:
        words += ["--dev-bind", device, device]
    return [*words, "--ro-bind", str(JAIL), "/jail.py", "--size", str(limits.disk), "--tmpfs", "/tmp", "--remount-ro", "/",
            "--chdir", "/tmp", "--"]


def candidates() -> list[Engine]:
    """Engines to try here, the better one first."""
    if sys.platform != "linux":
        return []
    return ["bubblewrap", "namespaces"] if shutil.which("bwrap") else ["namespaces"]
