import numpy as np
import pytest
import yaml

from cyclescape.errors import InputError
from cyclescape.simulator.memory.dram.devices import device, device_names, load_device, load_devices
from cyclescape.simulator.memory.dram.mapping import FIELDS, MAPPINGS, address_mapping, custom_mapping, field_widths


def _write(tmp_path, name="DDR4_2400R", **changes):
    values = device(name).model_dump()
    values["timing"] = {**values["timing"], **changes.pop("timing", {})}
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({**values, **changes}), encoding="utf-8")
    return path


@pytest.mark.parametrize(("name", "gbps"), [
    ("DDR4_2400R", 19.2), ("DDR4_3200AA", 25.6), ("DDR5_4800BN", 19.2), ("HBM2_2000", 32.0), ("HBM3_6400", 51.2),
    ("LPDDR5_6400", 12.8), ("GDDR6_14000", 28.0),
])
def test_peak_bandwidth_is_the_data_sheets(name, gbps):
    chosen = device(name)
    assert chosen.peak_bytes_per_tick / (chosen.tick_ps * 1e-12) / 1e9 == pytest.approx(gbps, rel=5e-3)


def test_an_own_table_loads(tmp_path):
    assert load_device(_write(tmp_path, name="DDR4_2400R", timing={"nRCD": 17})).timing["nRCD"] == 17


@pytest.mark.parametrize(("changes", "words"), [
    ({"timing": {"nRAS": 10}}, "nRAS=10 is less than nRCD=16"),
    ({"timing": {"nRRDLL": 10}}, "timing.nRRDLL: unknown parameter; did you mean 'nRRDL'"),
    ({"standard": "DDR9"}, "standard='DDR9'"),
    ({"timing": {"nFAW": -1}}, "nFAW=-1"),
    ({"organisation": {"density_mbit": 1, "dq": 8, "channel_width": 64, "bankgroups": 3, "banks": 4, "rows": 8, "columns": 64}},
     "bankgroups=3: accepted: a power of two"),
    ({"organisation": {
        "density_mbit": 1, "dq": 8, "channel_width": 64, "bankgroups": 64, "banks": 128, "rows": 8, "columns": 64,
     }}, "8192 banks in a channel; accepted: at most 4096"),
])
def test_impossible_devices_are_one_clear_line(tmp_path, changes, words):
    path = _write(tmp_path, **changes)
    with pytest.raises(InputError) as caught:
        load_device(path)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_are_no_devices(tmp_path):
    path = tmp_path / "broken.yaml"
    path.write_text("a: [1", encoding="utf-8")
    with pytest.raises(InputError, match="not YAML"):
        load_device(path)
    with pytest.raises(InputError, match="cannot be read"):
        load_devices(tmp_path / "none.yaml")
    path.write_text("sets: {X: {standard: DDR4}}", encoding="utf-8")
    with pytest.raises(InputError, match="X: 'timing' missing"):
        load_devices(path)


@pytest.mark.parametrize("name", device_names())
@pytest.mark.parametrize("mapping", MAPPINGS)
@pytest.mark.parametrize("channels", [1, 4])
def test_mappings_give_every_address_its_own_place(name, mapping, channels):
    chosen = device(name)
    lines = np.random.default_rng(0).choice(chosen.channel_bytes * channels // chosen.transaction_bytes, 4096, replace=False)
    at = address_mapping(mapping, chosen, channels).decode(lines * chosen.transaction_bytes)
    places = set(zip(*(at[field].tolist() for field in FIELDS)))
    assert len(places) == len(lines)
    for field, width in field_widths(chosen, channels).items():
        if not (mapping == "MOP4CLXOR" and field == "row"):
            assert at[field].max() < 1 << width


def test_own_mappings(tmp_path):
    chosen = device("DDR4_2400R")
    plain = address_mapping("RoBaRaCoCh", chosen)
    spec = {field: [mask.bit_length() - 1 for mask in masks] for field, masks in plain.fields.items()}
    address = np.arange(0, 1 << 30, 12_345 * 64)
    same = custom_mapping(spec, chosen).decode(address)
    assert all(np.array_equal(same[field], plain.decode(address)[field]) for field in FIELDS)
    spec["bank"] = [[spec["bank"][0], spec["row"][0]], spec["bank"][1]]
    hashed = custom_mapping(spec, chosen).decode(address)
    assert np.array_equal(hashed["bank"], same["bank"] ^ (same["row"] & 1))
    for broken, words in (
        ({**spec, "bnak": []}, "'bnak' is not a field"), ({**spec, "bank": [1]}, "a list of 2 address bits"),
        ({**spec, "bank": [spec["row"][0], spec["row"][0]]}, "repeats"), ({**spec, "bank": [1, 99]}, "not an address bit"),
    ):
        with pytest.raises(InputError, match=words):
            custom_mapping(broken, chosen)
    path = tmp_path / "bits.yaml"
    path.write_text(yaml.safe_dump(spec), encoding="utf-8")
    assert all(np.array_equal(address_mapping(str(path), chosen).decode(address)[field], hashed[field]) for field in FIELDS)
    for text, words in (
        ("[1", "bits.yaml, line 1: not YAML"), ("3", "a mapping from channel, rank"), ("bnak: [3]", "'bnak' is not"),
    ):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(InputError, match=words):
            address_mapping(str(path), chosen)
