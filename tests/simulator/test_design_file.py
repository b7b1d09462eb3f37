"""Designs from YAML and TOML, and what is wrong with them in one line."""

from __future__ import annotations

import pytest

import cyclescape as cs
from cyclescape.errors import CyclescapeError


def test_yaml_and_toml_say_the_same(tmp_path):
    yaml, toml = tmp_path / "d.yaml", tmp_path / "d.toml"
    yaml.write_text("accelerator: systolic\npreset: edge-16x16\nparameters: {rows: 8, dataflow: ws}\n")
    toml.write_text('accelerator = "systolic"\npreset = "edge-16x16"\n[parameters]\nrows = 8\ndataflow = "ws"\n')
    design = cs.design("systolic", file=yaml)
    assert design == cs.design("systolic", file=toml) == cs.design("systolic", preset="edge-16x16", rows=8, dataflow="ws")
    assert cs.design("systolic", file=yaml, rows=4).rows == 4


def test_two_presets_are_refused(tmp_path):
    file = tmp_path / "d.yaml"
    file.write_text("preset: edge-16x16\n")
    assert cs.design("systolic", file=file, preset="edge-16x16").rows == 16
    with pytest.raises(CyclescapeError, match=r"d.yaml: preset: 'edge-16x16', and 'tpu-v1-like' is given beside the file"):
        cs.design("systolic", file=file, preset="tpu-v1-like")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("d.yaml", "rows: 8", "rows: unknown field; accepted: accelerator, preset, parameters"),
        ("d.yaml", "accelerator: dram", "this is a design of 'dram', not of 'systolic'"),
        ("d.yaml", "parameters: [1]", "parameters: [1] is not a table"),
        ("d.yaml", "- 1", "holds list"),
        ("d.yaml", "a: [", "while parsing"),
        ("d.yaml", "a: !!python/object/apply:os.system ['true']", "could not determine a constructor"),
        ("d.yaml", "preset: 3", "preset: 3 is not a name"),
        ("d.toml", "x = ", "Invalid value"),
        ("d.txt", "", "accepted: .yaml, .yml, .toml"),
        ("d.yaml", "parameters: {rows: -1}", "rows=-1"),
        ("d.yaml", b"\xff\xfe\x00", "is not UTF-8"),
    ],
)
def test_bad_files_are_one_line(tmp_path, name, text, message):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(CyclescapeError) as caught:
        cs.design("systolic", file=path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_file(tmp_path):
    with pytest.raises(CyclescapeError, match="No such file"):
        cs.design("systolic", file=tmp_path / "none.yaml")
