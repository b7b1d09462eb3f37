from pathlib import Path

import pytest
from matplotlib.figure import Figure

import cyclescape as cs
from cyclescape.agents.plots import label, save_figure
from cyclescape.errors import InputError


@pytest.mark.parametrize(
    ("name", "words", "unit"),
    [
        ("time_s", "time", "s"),
        ("energy_j", "energy", "J"),
        ("area_mm2", "area", "mm²"),
        ("cycles", "cycles", ""),
        ("dram_bytes", "dram", "B"),
        ("throughput_ops_per_s", "throughput", "op/s"),
        ("edp", "EDP", "J·s"),
        ("latency", "latency", "s"),
        ("energy_j*time_s**2", "energy_j*time_s**2", ""),
    ],
)
def test_labels_carry_units(name: str, words: str, unit: str) -> None:
    assert label(name) == (words, unit)


@pytest.mark.parametrize("objective", ["time_s", "time_s,energy_j"])
def test_a_plot_shows_in_a_notebook(roofline, mlp, objective) -> None:
    """Jupyter asks an object for its PNG; a plain figure has none before pyplot has drawn there."""
    study = cs.search(roofline, mlp, objective=objective, agent="random", budget=3)
    assert study.plot()._repr_png_().startswith(b"\x89PNG")


def test_ticks_of_a_logarithmic_area_are_plain_numbers(roofline, mlp) -> None:
    study = cs.search(roofline, mlp, objective="time_s,area_mm2", agent="grid", budget=300)
    figure = study.plot()
    figure.canvas.draw()
    axis = figure.axes[0].yaxis
    assert axis.get_scale() == "log"
    assert "mm²" in axis.get_label_text()
    for tick, text in zip(axis.get_majorticklocs(), axis.get_majorticklabels()):
        assert float(text.get_text()) == pytest.approx(tick)


def test_a_front_is_drawn_no_better_than_it_is(roofline, mlp) -> None:
    """At any area the line is at the best that a design of at most that area reaches, also of what is maximised."""
    study = cs.search(roofline, mlp, objective="area_mm2,max:utilization", agent="random", budget=60)
    (line,) = study.plot().axes[0].lines
    assert line.get_drawstyle() == "steps-post"
    area, level = (list(values) for values in line.get_data())
    assert area == sorted(area)
    reached = [(t.outcome.values["area_mm2"], t.outcome.values["utilization"]) for t in study.trials if t.outcome.ok]
    for at, said in zip(area, level):
        assert said == max(value for other, value in reached if other <= at)


def test_a_figure_is_saved_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_figure(Figure(), tmp_path / "a.SVG")
    before = (tmp_path / "a.SVG").read_bytes()
    assert b"<svg" in before

    def full(self: Figure, file: Path, **how: object) -> None:
        Path(file).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", full)
    with pytest.raises(InputError, match=r"a.SVG: No space left on device"):
        save_figure(Figure(), tmp_path / "a.SVG")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [before]
