"""Facts about each session of a run: versions, machine, state of the code, number of clips."""

import datetime
import importlib.metadata
import os
import platform
import subprocess
import sys
from pathlib import Path

_PACKAGES = ("mindone_tae", "mindspore", "mindone", "numpy", "safetensors")
_LISTED_CHANGES = 100


def describe_session(env, first_step: int, clips: int, ranks: int) -> dict:
    """The facts of a session that starts now, ready for JSON.

    Args:
        env: the recipe's env section.
        first_step: steps made before it.
        clips: length of the dataset.
        ranks: processes that share a step.
    """
    return {
        "started": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "command": sys.argv,
        "first_step": first_step,
        "clips": clips,
        "ranks": ranks,
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in _PACKAGES}},
        "machine": {
            "host": platform.node(),
            "system": platform.platform(),
            "device": env.device_target,
            "device_name": _device_name(env.device_target),
            "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
            "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        },
        "code": git_state(Path(__file__)),
    }


def differences(before: dict, now: dict) -> list[str]:
    """Sentences on changes between two sessions that may affect the run.

    Args:
        before, now: as `describe_session` gives them; `before` may come from an older version of this package.
    """
    found = []
    if before.get("clips") not in (None, now["clips"]):
        found.append(
            f"the dataset had {before['clips']} clips and has {now['clips']}: their order is another from here on"
        )
    if before.get("ranks", 1) != now.get("ranks", 1):
        found.append(
            f"{before.get('ranks', 1)} processes shared a step and {now.get('ranks', 1)} do: "
            "a step has another number of clips from here on"
        )
    old, new = before.get("versions", {}), now["versions"]
    changed = [f"{name} {old[name]} -> {new[name]}" for name in new if name in old and old[name] != new[name]]
    if changed:
        found.append(f"versions changed ({', '.join(changed)}): the last digits may differ from an uninterrupted run's")
    return found


def git_state(file: str | Path) -> dict | None:
    """The git checkout that holds a file.

    Returns:
        dict with folder, commit, branch, changed (lines of `git status`, at most 100; empty for a clean checkout) and
        changed_count, both None where git took too long;
        None where the file is not in a git checkout, or git is not installed.
    """
    folder = Path(file).resolve().parent
    if _git(folder, "ls-files", "--error-unmatch", Path(file).name) is None:
        return None
    top, commit = _git(folder, "rev-parse", "--show-toplevel"), _git(folder, "rev-parse", "HEAD")
    branch, status = _git(folder, "rev-parse", "--abbrev-ref", "HEAD"), _git(folder, "status", "--porcelain")
    state = {"folder": top, "commit": commit, "branch": branch}
    if status is None:  # a repository so large that it took too long
        return {**state, "changed": None, "changed_count": None}
    changed = status.splitlines()
    return {**state, "changed": changed[:_LISTED_CHANGES], "changed_count": len(changed)}


def _git(folder, *words):
    """The output of git, or None where it fails."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.rstrip()


def _version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _device_name(target):
    if target != "CPU":
        import mindspore as ms  # imported here: code that only reads a run's folder does not need it

        return ms.hal.get_device_name()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
