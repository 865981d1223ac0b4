"""The docs run: Python fences are executed, command lines are parsed, experiments are read, generated parts are up to date."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from consilience import nursery
from consilience.bench import parse
from consilience.cli.app import app
from consilience.method import Level
from consilience.registry import methods

ROOT = Path(__file__).parents[1]
FILES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"(?:<!-- needs: (?P<needs>[\w, -]+) -->\s*)?^```(?P<language>\w*)\n(?P<code>.*?)^```", re.M | re.S)
NEEDS = {"local", "endpoint", "weights", "hub", "report", "serve", "train", "ray"}
"""What the mark before a fence may say. Fences that need an endpoint are only compiled."""


@dataclass(frozen=True)
class Fence:
    language: str
    code: str
    needs: frozenset[str]
    line: int


def fences(path: Path, *languages: str) -> list[Fence]:
    text = path.read_text(encoding="utf-8")
    found = [Fence(m["language"], m["code"], frozenset(re.split(r"[, ]+", m["needs"])) if m["needs"] else frozenset(),
                   text.count("\n", 0, m.start("code"))) for m in FENCE.finditer(text)]
    return [f for f in found if f.language in languages]


EMBEDDED = re.compile(r"""(pool|member)\(["']nursery|pool_cards\(|nursery\.WEIGHTS""")
"""Code that asks embedded models needs torch and their weights; no mark is needed for that."""


def names(paths: list[Path]) -> list[str]:
    return [str(p.relative_to(ROOT)) for p in paths]


def lacking(needs: frozenset[str]) -> str:
    """Why a fence cannot run here."""
    modules = {"local": "torch", "hub": "datasets", "report": "plotly", "serve": "fastapi", "train": "trl", "ray": "ray"}
    absent = [n for n in needs if n in modules and importlib.util.find_spec(modules[n]) is None]
    if "weights" in needs and not nursery.WEIGHTS.is_dir():
        absent.append("the weights of the embedded pool")
    return ", ".join(absent)


WITH_PYTHON = [path for path in FILES if fences(path, "python")]


@pytest.mark.parametrize("path", WITH_PYTHON, ids=names(WITH_PYTHON))
def test_python_runs(path: Path, tmp_path: Path) -> None:
    """All fences of a file, in order, in one namespace, in a directory of their own."""
    found = fences(path, "python")
    assert all(f.needs <= NEEDS for f in found), f"unknown mark in {path.name}"
    for fence in found:
        compile(fence.code, f"{path.name}:{fence.line}", "exec", flags=0x2000)  # top-level await is fine to compile
    runnable = [f for f in found if "endpoint" not in f.needs]
    wanted = frozenset().union(*(f.needs for f in runnable))
    if any(EMBEDDED.search(f.code) for f in runnable):
        wanted |= {"local", "weights"}
    reason = lacking(wanted)
    if reason:
        pytest.skip(f"{path.name} needs {reason}")
    script = "\n".join("\n" * (f.line - 1 - prior) + f.code for f, prior in zip(runnable, ends(runnable), strict=True))
    (tmp_path / "fences.py").write_text(script, encoding="utf-8")
    done = subprocess.run([sys.executable, "fences.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120,
                          env=os.environ | {"PYTHONPATH": str(ROOT / "src")})
    assert done.returncode == 0, f"{path.name}: {done.stderr[-2000:]}"


def ends(found: list[Fence]) -> list[int]:
    """The line on which the fence before ended, so that errors name lines of the document."""
    return [0, *(f.line + f.code.count("\n") for f in found)][: len(found)]


def command_lines(path: Path) -> list[tuple[int, list[str]]]:
    """Every `consilience ...` and `make ...` in the shell fences of a file, comments taken off."""
    lines = []
    for fence in fences(path, "bash", "sh", "console", "shell"):
        for offset, line in enumerate(re.sub(r"\\\n\s*", " ", fence.code).splitlines()):
            words = shlex.split(line.removeprefix("$ "), comments=True)
            while words and re.fullmatch(r"\w+=.*", words[0]):
                words = words[1:]
            if words and words[0] in ("consilience", "make"):
                lines.append((fence.line + offset + 1, words[:words.index("|")] if "|" in words else words))
    return lines


COMMANDS = [(path, line, words) for path in FILES for line, words in command_lines(path)]


@pytest.mark.parametrize(("path", "line", "words"), COMMANDS, ids=[f"{p.name}:{n}" for p, n, _ in COMMANDS])
def test_command_lines_are_understood(path: Path, line: int, words: list[str]) -> None:
    program, *arguments = words
    if program == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M)
        assert set(arguments) <= set(targets)
        return
    group = get_command(app)
    name = next((a for a in arguments if not a.startswith("-")), None)
    if name is None:
        assert set(arguments) <= {"--help", "-h", "--version"}
        return
    assert name in group.commands, f"{path.name}:{line}: no command {name}"
    rest = [a for a in arguments[arguments.index(name) + 1:] if a != "--debug"]
    if "--help" not in rest:
        with group.commands[name].make_context(name, rest):
            pass


EXPERIMENTS = [(path, fence) for path in FILES for fence in fences(path, "yaml") if re.search(r"^pool:", fence.code, re.M)]


@pytest.mark.parametrize(("path", "fence"), EXPERIMENTS, ids=[f"{p.name}:{f.line}" for p, f in EXPERIMENTS])
def test_experiments_are_understood(path: Path, fence: Fence) -> None:
    data = yaml.safe_load(fence.code)
    if "tasks" in data:
        parse(data)


def test_generated_parts_are_up_to_date() -> None:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None and spec.loader is not None
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    stale = [path.name for path in generate.files() if generate.rewritten(path.read_text()) != path.read_text()]
    assert not stale, f"run `make docs`: {stale}"


def test_the_guide_to_the_text_level_names_all_its_methods() -> None:
    told = set(re.findall(r"`([\w-]+)`", (ROOT / "docs" / "text.md").read_text(encoding="utf-8")))
    assert {name for name, cls in methods().items() if cls.level is Level.TEXT} <= told


@pytest.mark.parametrize("path", FILES, ids=names(FILES))
def test_links_lead_somewhere(path: Path) -> None:
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.S)
    targets = [t.split("#")[0] for t in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in t and not t.startswith("#")]
    broken = [t for t in targets if not (path.parent / t).exists()]
    assert not broken, f"{path.name}: {broken}"
