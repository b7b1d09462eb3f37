"""Machines are found, plugins too, and a broken plugin breaks nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

import cyclescape as cs
from cyclescape.errors import InputError
from cyclescape.simulator import registry
from cyclescape.simulator.accelerator import Accelerator
from cyclescape.simulator.report import Report
from cyclescape.simulator.sources import model_digest, model_sources


def test_unknown_names_are_refused_with_what_is_known():
    with pytest.raises(InputError, match="accelerator 'sistolic' is not known; did you mean 'systolic'"):
        registry.accelerator("sistolic")


def test_a_machine_registered_in_a_script(monkeypatch):
    monkeypatch.setattr(registry, "_registered", {})

    class NopDesign(cs.Design):
        size: int = 1

    @cs.register
    class Nop(Accelerator):
        name, design, metrics = "nop", NopDesign, {"cycles": "Cycles."}

        def simulate_many(self, designs, workload, *, engine="compiled"):
            return [Report({"cycles": d.size}) for d in designs]

    assert "nop" in registry.accelerator_names()
    assert cs.simulate(NopDesign(size=3), "resnet18").metrics == {"cycles": 3}
    assert isinstance(registry.machine_of(NopDesign()), Nop)
    registry._load.cache_clear()


def test_a_machine_with_two_names_is_listed_once(monkeypatch):
    """An entry point may be named otherwise than its machine, say for the sake of an older name."""
    monkeypatch.setattr(registry, "_registered", {"older-name": type(registry.accelerator("systolic"))})
    registry._load.cache_clear()
    assert registry.accelerator("older-name").name == "systolic"
    names = [machine.name for machine in registry.accelerators()]
    assert names.count("systolic") == 1
    assert len(names) == len(set(names))
    registry._load.cache_clear()


def test_the_dram_controller_answers_to_a_short_name():
    assert registry.accelerator("dram").name == "dram-controller"
    assert registry.accelerator("dram").env_id() == "cyclescape/DramController-v0"


def _plugin(folder, module, value):
    """Lay out an installed distribution with one entry point."""
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[cyclescape.accelerators]\n{module} = {value}\n")


@pytest.mark.parametrize("body", ["raise RuntimeError('boom')", "thing = 3", "import no_such_module"])
def test_a_broken_plugin_warns_and_breaks_nothing(tmp_path, body):
    (tmp_path / "broken.py").write_text(body)
    _plugin(tmp_path, "broken", "broken:thing")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "import warnings; warnings.simplefilter('always')\n"
        "import cyclescape as cs\n"
        "from cyclescape.simulator import registry\n"
        "assert 'broken' in registry.accelerator_names()\n"
        "print(cs.simulate(cs.design('row-stationary'), 'alexnet').ok)\n"
        "try: registry.accelerator('broken')\n"
        "except cs.InputError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["True", "accelerator 'broken': its plugin could not be loaded (see the warning)"]
    assert "accelerator plugin 'broken' (broken:thing) is broken" in done.stderr


def test_the_digest_covers_what_the_model_is_made_of():
    machine = registry.accelerator("systolic")
    sources = model_sources(type(machine).__module__)
    names = {name.removeprefix("cyclescape.") for name in sources}
    assert {"accelerators.systolic.timing", "accelerators.systolic.costs", "simulator.technology",
            "traces.operators"} <= names
    assert not {name for name in names if name.startswith(("agents", "envs", "cli", "simulator.store"))}
    assert len(model_digest(type(machine))) == 64
