"""The examples draw what they say."""

import runpy
from pathlib import Path

EXAMPLES = Path(__file__).parents[3] / "examples"


def rows_of(name, out, capsys, **constants):
    """Run an example with smaller constants; returns the numbers that it prints, row by row."""
    main = runpy.run_path(str(EXAMPLES / f"{name}.py"))["main"]
    main.__globals__.update(constants)
    main(out / "plots" / f"{name}.png")
    assert (out / "plots" / f"{name}.png").stat().st_size > 10_000
    words = [line.split() for line in capsys.readouterr().out.splitlines()[:-1]]
    return [[float(word) for word in row[-2:]] for row in words if row[-1].replace(".", "").isdigit()]


def test_fusion(tmp_path, capsys):
    networks = {"ResNet-50": ("sn40l", "resnet50:batch=8"), "BERT": ("sn40l", "bert-large:seq_len=128")}
    constants = {"SIZES": (1, 16), "LAUNCHES_US": (0, 10), "NETWORKS": networks, "SHOWN": "ResNet-50"}
    rows = rows_of("fusion", tmp_path, capsys, **constants)
    assert len(rows) == 2
    assert all(cheap < dear for cheap, dear in rows)


def test_experts(tmp_path, capsys):
    counts, *times, tokens, h100, a100 = rows_of("experts", tmp_path, capsys, COUNTS=(20, 100), TOKENS=(20, 60), REQUESTS=300)
    assert counts == [20, 100]
    assert tokens == [20, 60]
    assert all(few < many for few, many in times)
    assert a100[0] > a100[1] > h100[1]
