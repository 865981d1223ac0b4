"""The public surface: sorted, complete, quick to import, and light to install."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import consilience
from consilience.cli.doctor import EXTRAS
from consilience.registry import methods

ROOT = Path(__file__).parents[1]
MOST_PACKAGES = 40
HEAVY = ("torch", "transformers", "sklearn", "datasets", "plotly", "fastapi", "pandas", "sympy")


def test_public_names_are_sorted_and_there() -> None:
    assert consilience.__all__ == sorted(set(consilience.__all__))
    missing = [name for name in consilience.__all__ if not hasattr(consilience, name)]
    assert not missing and set(consilience.__all__) <= set(dir(consilience))
    with pytest.raises(AttributeError, match="no attribute 'Majority'"):
        _ = consilience.Majority  # type: ignore[attr-defined]


def test_every_method_is_public() -> None:
    for cls in methods().values():
        assert getattr(consilience, cls.__name__) is cls and cls.__name__ in consilience.__all__


def test_a_star_import_brings_the_public_names() -> None:
    assert python("from consilience import *\nprint(Team.__name__, MajorityVote.__name__, pool.__name__)").split() == [
        "Team", "MajorityVote", "pool"]


def python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("code", ["import consilience", "import consilience.cli.app", "import consilience as c; c.Team; c.load",
                                  "from consilience.registry import methods; methods()"])
def test_nothing_heavy_is_imported(code: str) -> None:
    loaded = python(f"import sys\n{code}\nprint(*[m for m in {HEAVY} if m in sys.modules])").split()
    assert not loaded, f"{code} loads {loaded}"


def test_importing_takes_less_than_half_a_second() -> None:
    """Processor seconds, the least of three, so that a busy machine does not count."""
    code = "import time\nbefore = time.process_time()\nimport consilience\nprint(time.process_time() - before)"
    assert min(float(python(code)) for _ in range(3)) < 0.5


def brought(package: str, extras: frozenset[str], seen: set[str]) -> set[str]:
    """The packages that an install of `package` brings, by the metadata of what is installed here."""
    for line in requires(package) or ():
        need = Requirement(line)
        if need.marker is not None and not any(need.marker.evaluate({"extra": extra}) for extra in extras | {""}):
            continue
        key = f"{canonicalize_name(need.name)}[{','.join(sorted(need.extras))}]"
        if key not in seen:
            seen.add(key)
            try:
                brought(need.name, frozenset(need.extras), seen)
            except PackageNotFoundError:
                pytest.fail(f"{package} needs {need.name}, which is not installed")
    return seen


def test_the_core_install_is_small() -> None:
    core = {key.split("[")[0] for key in brought("consilience", frozenset(), set())}
    assert not {"torch", "transformers", "pandas", "scikit-learn"} & core
    assert len(core) <= MOST_PACKAGES, sorted(core)
    assert {"numpy", "openai", "pydantic", "typer"} <= core, "the walk found too little to be believed"


def test_doctor_knows_every_extra() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(project["optional-dependencies"]) == set(EXTRAS)
    assert project["version"] == consilience.__version__


def test_no_registry_host_is_named() -> None:
    names = re.compile(r"pypi\.org|pythonhosted|download\.pytorch|--(extra-)?index-url|find-links", re.I)
    files = [ROOT / n for n in ("Makefile", "pyproject.toml", "constraints.txt", ".ci/run", "README.md")]
    files += sorted((ROOT / "docs").rglob("*.md"))
    assert [f.name for f in files if f.exists() and names.search(f.read_text(encoding="utf-8"))] == []


def test_the_wheel_holds_what_is_not_code(tmp_path: Path) -> None:
    from zipfile import ZipFile

    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)], cwd=ROOT, check=True,
                   capture_output=True)
    [wheel] = tmp_path.glob("*.whl")
    held = set(ZipFile(wheel).namelist())
    source = ROOT / "src"
    wanted = {str(f.relative_to(source)) for f in (source / "consilience").rglob("*") if f.is_file()
              and "__pycache__" not in f.parts and f.suffix != ".pyc"}
    assert wanted <= held, sorted(wanted - held)[:5]
    assert not [name for name in held if name.endswith(".pyc") or name.startswith(("tests", "docs"))]
    assert any(name.endswith(".html") for name in held), "the report's page is missing"
