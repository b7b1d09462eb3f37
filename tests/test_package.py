"""The package as it is installed: its list of packages, its public names, what an import costs."""

from __future__ import annotations

import importlib
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import cyclescape

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
HEAVY = (
    "numpy", "gymnasium", "pydantic",  # not heavy, but more than a help text needs
    "numba", "pandas", "matplotlib", "torch", "optuna", "stable_baselines3", "sklearn", "scipy", "onnx", "simpy",
)


def test_packages_are_the_folders():
    """They are listed by hand, because the root is the package; a forgotten one would not be installed."""
    outside = {".git", ".venv", "build", "dist", "tests", "docs", "benchmarks", "examples", "notebooks", "results"}
    folders = {
        ".".join(("cyclescape", *path.parent.relative_to(ROOT).parts))
        for path in ROOT.rglob("__init__.py")
        if not outside & set(path.relative_to(ROOT).parts) and not any(p.startswith(".venv") for p in path.parts)
    }
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == folders


def test_data_files_are_listed():
    """Every file beside the code that is not Python belongs to a package-data pattern."""
    data = PROJECT["tool"]["setuptools"]["package-data"]
    for package in PROJECT["tool"]["setuptools"]["packages"][1:]:
        folder = ROOT.joinpath(*package.split(".")[1:])
        covered = {path for pattern in data.get(package, []) for path in folder.glob(pattern)}
        for path in folder.rglob("*"):
            inside = any((parent / "__init__.py").exists() for parent in path.parents if folder in parent.parents)
            if path.is_file() and path.suffix not in (".py", ".pyc", ".nbi", ".nbc") and not inside:
                assert path in covered, f"{path.relative_to(ROOT)} would not be installed"


def test_every_machine_has_one_entry_point_with_its_own_name():
    for name, value in PROJECT["project"]["entry-points"]["cyclescape.accelerators"].items():
        module, _, attribute = value.partition(":")
        assert getattr(importlib.import_module(module), attribute).name == name


def test_every_public_name_is_there():
    for name in cyclescape.__all__:
        assert getattr(cyclescape, name) is not None
    assert set(cyclescape.__all__) <= set(dir(cyclescape))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = cyclescape.nonsense


@pytest.mark.parametrize("module", ["cyclescape", "cyclescape.cli"])
def test_importing_stays_light(module):
    code = f"import sys, {module}; print(*[m for m in {HEAVY!r} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""


def test_listing_environments_imports_no_machine():
    code = "import sys, gymnasium, cyclescape; print('cyclescape/Systolic-v0' in gymnasium.registry, " \
           "any('accelerators.' in m for m in sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["True", "False"]
