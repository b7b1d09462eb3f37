"""The example on fusion draws what it says."""

import runpy
from pathlib import Path

EXAMPLE = Path(__file__).parents[3] / "examples" / "fusion.py"


def test_it_prints_a_row_a_network_and_saves_the_plot(tmp_path, capsys):
    example = runpy.run_path(str(EXAMPLE))
    main = example["main"]
    networks = {name: example["NETWORKS"][name] for name in ("ResNet-50, batch 8", "BERT large, 128 tokens")}
    main.__globals__.update(SIZES=(1, 16), LAUNCHES_US=(0, 10), NETWORKS=networks, SHOWN="ResNet-50, batch 8")
    main(tmp_path / "plots" / "fusion.png")
    assert (tmp_path / "plots" / "fusion.png").stat().st_size > 10_000
    rows = [line.split()[-2:] for line in capsys.readouterr().out.splitlines()[1:-1]]
    assert len(rows) == 2
    assert all(float(cheap) < float(dear) for cheap, dear in rows)
