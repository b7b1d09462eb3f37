"""Each in a fresh interpreter, for what is imported when is the question."""

import subprocess
import sys
from pathlib import Path

import pytest

PLUGINS = Path(__file__).parent.parent / "plugins"


def run(code: str, path: Path = PLUGINS) -> str:
    """What the code prints; the plugins' directory and `path` are importable."""
    head = f"import sys; sys.path[:0] = [{str(path)!r}, {str(PLUGINS)!r}]\n"
    done = subprocess.run([sys.executable, "-c", head + code], capture_output=True, text=True, cwd=path, check=False)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


LATER = "from cyclescape.envs.registration import register_when_imported as go; go()\n"


def test_nothing_heavy_is_imported() -> None:
    heavy = "gymnasium numpy pandas matplotlib numba optuna torch pydantic simpy"
    assert run(f"{LATER}print([name for name in '{heavy}'.split() if name in sys.modules])") == "[]\n"


@pytest.mark.parametrize(
    "order", ["import gymnasium\n" + LATER, LATER + "import gymnasium\n", LATER * 2 + "import gymnasium\n"]
)
def test_ids_are_there_in_either_order(order: str, plugin: Path) -> None:
    code = order + "print('cyclescape/Roofline-v0' in gymnasium.registry, 'roofline' in sys.modules)"
    assert run(code, plugin) == "True False\n"


def test_gymnasium_keeps_its_own_loader(plugin: Path) -> None:
    code = LATER + "import gymnasium\nloader = gymnasium.__loader__\n"
    code += "print(type(loader).__name__, gymnasium.__spec__.loader is loader)\n"
    assert run(code, plugin) == "SourceFileLoader True\n"


def test_a_machine_registered_later_has_an_id_too() -> None:
    code = LATER + "import gymnasium\nfrom cyclescape.simulator import registry\nfrom roofline import Roofline\n"
    code += "registry.register(Roofline)\nprint('cyclescape/Roofline-v0' in gymnasium.registry)"
    assert run(code) == "True\n"


def test_a_broken_plugin_harms_nobody(plugin: Path) -> None:
    (plugin / "broken-1.0.dist-info" / "entry_points.txt").parent.mkdir()
    (plugin / "broken-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (plugin / "broken-1.0.dist-info" / "entry_points.txt").write_text(
        "[cyclescape.accelerators]\nbroken = no_such_module:Machine\nod d! = no_such_module:Machine\n"
    )
    code = LATER + "import gymnasium\nprint('cyclescape/Roofline-v0' in gymnasium.registry)\n"
    code += "from cyclescape.errors import InputError\n"
    code += "try: gymnasium.make('cyclescape/Broken-v0')\nexcept InputError as error: print(error)"
    out = run(code, plugin)
    assert out.startswith("True\naccelerator 'broken': its plugin could not be loaded")
    assert "accelerator plugin 'broken' (no_such_module:Machine) is broken" in out


def test_a_plugin_is_equal_to_a_built_in_machine(plugin: Path, tmp_path: Path) -> None:
    """Installed as an entry point, with nothing else touched: found, made, searched and swept."""
    code = (
        LATER
        + f"""
import gymnasium, numpy
from cyclescape.agents.search import search
from cyclescape.agents.sweep import sweep
from cyclescape.simulator.registry import accelerator, accelerator_names
from cyclescape.traces.operators import Gemm
from cyclescape.traces.workload import Workload

if __name__ == "__main__":
    work = Workload(name="one", operators=(Gemm(name="a", m=64, n=64, k=64),))
    print("roofline" in accelerator_names(), accelerator("roofline").name)
    env = gymnasium.make("cyclescape/Roofline-v0", workload=work)
    env.reset(seed=0)
    print(env.step(numpy.zeros(4, dtype=int))[4]["feasible"])
    print(len(search("roofline", work, agent="random", budget=5, out={str(tmp_path / "a")!r}).trials))
    spec = {{"accelerator": "roofline", "workloads": [work], "grid": {{"lanes": "all"}}}}
    print(sweep(spec, {str(tmp_path / "b")!r}, jobs=2).progress.done)
"""
    )
    script = plugin / "script.py"
    script.write_text(f"import sys; sys.path.insert(0, {str(plugin)!r})\n" + code)
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["True", "roofline", "True", "5", "7"]
