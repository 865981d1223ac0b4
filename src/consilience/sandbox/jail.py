"""The inside of the sandbox: a script that shuts itself in, then becomes the program. It imports the standard library only.

Run as `python -S jail.py SETTINGS` (JSON) with the program on standard input. With `"mode": "namespaces"` it makes its own
user, mount, process, network, IPC and host-name namespaces and a new root; with `"mode": "confine"` somebody else
(bubblewrap) has done so. Either way it then sets limits, filters system calls, and executes the program. One byte on
the descriptor `ready` says that the program begins; without it, standard error says what could not be done.
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import resource
import signal
import struct
import sys
from typing import Any, NoReturn

NOBODY = 65534
NEW_NAMESPACES = 0x10000000 | 0x00020000 | 0x20000000 | 0x40000000 | 0x08000000 | 0x04000000 | 0x02000000
"""CLONE_NEW: USER, NS, PID, NET, IPC, UTS, CGROUP."""
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_PRIVATE = 2, 4, 8, 4096, 16384, 1 << 18
MNT_DETACH = 2
AT_RECURSIVE, MOUNT_READ_ONLY, MOUNT_NOSUID = 0x8000, 0x1, 0x2
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 1, 4, 22, 24, 38
CLONE_THREAD, ADDR_NO_RANDOMIZE = 0x00010000, 0x0040000
EPERM, ENOSYS = 1, 38
FILES = 4096
"""Files, folders and links that a program may make: each takes memory of the kernel, which no other limit counts."""

MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
"""Machines whose system calls are known: their AUDIT_ARCH, and their column below."""
PIVOT_ROOT, CLONE, CLONE3, MOUNT_SETATTR = (155, 41), (56, 220), 435, 442
REFUSED = {
    "fork": (57, None), "vfork": (58, None), "socket": (41, 198), "ptrace": (101, 117), "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271), "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "umount2": (166, 39),
    "pivot_root": (155, 41), "chroot": (161, 51), "keyctl": (250, 219), "add_key": (248, 217), "request_key": (249, 218),
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282), "memfd_create": (319, 279),
    "shmget": (29, 194), "msgget": (68, 186), "semget": (64, 190), "mq_open": (240, 180),
    "open_by_handle_at": (304, 265), "pidfd_send_signal": (424, 424), "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426), "io_uring_register": (427, 427), "open_tree": (428, 428), "move_mount": (429, 429),
    "fsopen": (430, 430), "fsmount": (432, 432), "fspick": (433, 433), "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438), "mount_setattr": (442, 442), "memfd_secret": (447, 447), "syslog": (103, 116),
    "modify_ldt": (154, None), "kcmp": (312, 272),
}
"""System calls that a program does without: processes, sockets, other processes' memory, mounts, keys, memory that no limit
counts, the kernel's log. Numbers on x86_64 and aarch64."""

libc = ctypes.CDLL(None, use_errno=True)
libc.prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]
libc.mount.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p]


class Failed(Exception):
    """A step that the kernel refused."""


def call(step: str, function: Any, *arguments: Any) -> int:
    """The result of a C function; Failed names the step."""
    result = int(function(*arguments))
    if result < 0:
        raise Failed(f"{step}: {os.strerror(ctypes.get_errno())}")
    return result


def mount(source: str, target: str, kind: str | None = None, flags: int = 0, data: str = "") -> None:
    """mount(2)."""
    call(f"mounting {target}", libc.mount, source.encode(), target.encode(), kind.encode() if kind else None, flags,
         data.encode())


def tie(parent: int) -> None:
    """Die with the parent, which may be dead already."""
    call("prctl", libc.prctl, PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def separate(settings: dict[str, Any]) -> None:
    """New namespaces and, in a process of its own there, a new root. Returns in that process's child alone."""
    user, group = os.geteuid(), os.getegid()
    call("unshare (new namespaces)", libc.unshare, NEW_NAMESPACES)
    for file, text in (("setgroups", "deny"), ("uid_map", f"{NOBODY} {user} 1"), ("gid_map", f"{NOBODY} {group} 1")):
        with open(f"/proc/self/{file}", "w") as handle:
            handle.write(text)
    tie(settings["parent"])
    watch(os.fork())
    tie(0)      # a parent outside of the process namespace
    build(settings)
    call("sethostname", libc.sethostname, b"sandbox", 7)
    watch(os.fork())
    os.setsid()     # signals to its group reach it alone


def watch(child: int) -> None:
    """In the parent: end as the child ends. In the child: go on. The first process of a process namespace takes all
    others with it."""
    if not child:
        return
    libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    for descriptor in range(3, 64):     # what the host listens on closes with the program alone
        try:
            os.close(descriptor)
        except OSError:
            pass
    while True:
        ended, status = os.wait()
        if ended == child:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 - code)


def build(settings: dict[str, Any]) -> None:
    """A root of nothing but what `binds` names (read-only), devices, and a small /tmp."""
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "size=1m,mode=755")
    os.mkdir("/tmp/old")
    call("pivot_root", libc.syscall, PIVOT_ROOT[column()], b"/tmp", b"/tmp/old")
    os.chdir("/")
    for source, target in settings["binds"]:
        if os.path.isdir(f"/old{source}"):
            os.makedirs(target, exist_ok=True)
        else:
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.close(os.open(target, os.O_CREAT))
        mount(f"/old{source}", target, None, MS_BIND | MS_REC)
    for path in settings["hidden"]:
        mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, "size=4k,mode=755")
    call("umount", libc.umount2, b"/old", MNT_DETACH)
    os.rmdir("/old")
    os.makedirs("/tmp", exist_ok=True)
    attributes = struct.pack("QQQQ", MOUNT_READ_ONLY | MOUNT_NOSUID, 0, 0, 0)
    call("mount_setattr", libc.syscall, MOUNT_SETATTR, -1, b"/", AT_RECURSIVE, attributes, len(attributes))
    mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, f"size={settings['disk']},nr_inodes={FILES},mode=700")
    os.chdir("/tmp")


def column() -> int:
    """Of the machine, in the table of system calls."""
    if platform.machine() not in MACHINES:
        raise Failed(f"the system calls of {platform.machine()} are not known here (known: {', '.join(MACHINES)})")
    return MACHINES[platform.machine()][1]


def limit(settings: dict[str, Any]) -> None:
    """Limits of the process. It is the only one, so they are the program's."""
    for kind, value in ((resource.RLIMIT_AS, settings["memory"]), (resource.RLIMIT_CPU, settings["cpu"]),
                        (resource.RLIMIT_FSIZE, settings["disk"]), (resource.RLIMIT_NOFILE, 64), (resource.RLIMIT_NPROC, 64), (resource.RLIMIT_CORE, 0),
                        (resource.RLIMIT_MEMLOCK, 0), (resource.RLIMIT_MSGQUEUE, 0)):
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))


def filter_calls() -> None:
    """No new privileges, no capabilities, and a seccomp filter: refused calls fail with EPERM, foreign ones kill."""
    machine, here = MACHINES[platform.machine()][0], column()
    kill, allow = 0x80000000, 0x7FFF0000

    def refuse(error: int) -> int:
        """SECCOMP_RET_ERRNO with this error."""
        return 0x00050000 | error

    load, equal, at_least, has, ret = 0x20, 0x15, 0x35, 0x45, 0x06
    code = [(load, 0, 0, 4), (equal, 1, 0, machine), (ret, 0, 0, kill), (load, 0, 0, 0)]
    if here == 0:
        code += [(at_least, 0, 1, 0x40000000), (ret, 0, 0, kill)]     # the x32 calls
    code += [(equal, 0, 1, CLONE3), (ret, 0, 0, refuse(ENOSYS))]      # its flags are behind a pointer; clone's are not
    for numbers in REFUSED.values():
        if (number := numbers[here]) is not None:
            code += [(equal, 0, 1, number), (ret, 0, 0, refuse(EPERM))]
    code += [(equal, 0, 3, CLONE[here]), (load, 0, 0, 16), (has, 1, 0, CLONE_THREAD), (ret, 0, 0, refuse(EPERM)),
             (ret, 0, 0, allow)]
    packed = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in code))
    program = ctypes.create_string_buffer(struct.pack("HP", len(code), ctypes.addressof(packed)))
    call("no_new_privs", libc.prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    for capability in range(64):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    call("seccomp", libc.prctl, PR_SET_SECCOMP, 2, ctypes.addressof(program), 0, 0)


def main(settings: dict[str, Any]) -> NoReturn:
    """Shut in, limit, and become the program."""
    program = sys.stdin.buffer.read()
    if settings["mode"] == "namespaces":
        separate(settings)
    with open("/tmp/program.py", "wb") as file:
        file.write(program)
    null = os.open("/dev/null", os.O_RDWR)
    os.dup2(null, 0)
    os.set_inheritable(settings["ready"], False)
    libc.personality(ADDR_NO_RANDOMIZE)     # equal programs say equal things, addresses included
    limit(settings)
    filter_calls()
    os.write(settings["ready"], b"1")
    os.execve(settings["argv"][0], [*settings["argv"], "/tmp/program.py"], settings["environment"])


if __name__ == "__main__":
    try:
        main(json.loads(sys.argv[1]))
    except (OSError, Failed, ValueError, KeyError) as problem:
        os.write(2, f"{problem}\n".encode())
        sys.exit(1)
