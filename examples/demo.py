"""The main job: how much silicon buys how much speed for ResNet-50, at no more than 20 mJ an image?

The default agent and random search get the same budget; the store, a plot and a report are left in the folder
given on the command line.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cyclescape as cs
from cyclescape.agents.plots import pareto_figure
from cyclescape.pages.progress import bar
from cyclescape.pages.study_page import write_study_page
from cyclescape.pages.terminal import show_study

BUDGET = 150


def main(out: Path) -> None:
    """Search twice, show both fronts in one plot, and write the report."""
    print("What is simulated for the first time after installation is compiled first, about a minute of CPU time.")
    studies = []
    for agent in ("random", "auto"):
        with bar(f"{agent} search", "designs") as update:
            studies.append(cs.search(
                "systolic", "resnet50", objective="time_s,area_mm2", constraints=["energy_j<=0.02"], agent=agent,
                budget=BUDGET, seed=0, out=out, progress=lambda study, update=update: update(len(study.trials), BUDGET),
            ))
    pareto_figure(studies).savefig(out / "plot.png", dpi=160)
    show_study(studies[-1], out)
    print(f"plot: {out / 'plot.png'}\nreport: {write_study_page(out)}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "results/demo"))
