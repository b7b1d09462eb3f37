"""Finding workloads by name and by file, and what is said of a wrong request."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import Field

from cyclescape.errors import InputError
from cyclescape.traces import catalog
from cyclescape.traces.arguments import Batch
from cyclescape.traces.graph import Graph


@pytest.fixture(autouse=True)
def _registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test register what it likes."""
    catalog.entries()
    monkeypatch.setattr(catalog, "_named", dict(catalog._named))
    monkeypatch.setattr(catalog, "_formats", dict(catalog._formats))


@pytest.mark.parametrize("spec", ["mobilenet-v2", "MobileNet_V2", "mobilenetv2", "MOBILENET-V2"])
def test_names_are_found_however_they_are_written(spec: str) -> None:
    assert catalog.load(spec).name == "mobilenet-v2"


def test_a_name_says_which_arguments_differ_and_can_be_loaded_again() -> None:
    workload = catalog.load("resnet50:stride=1x1,batch=2,resolution=224")
    assert workload.name == "resnet50:batch=2,stride=1x1"
    assert catalog.load(workload.name) == workload
    assert catalog.load("resnet50", batch=2, stride="1x1") == workload


def test_a_loaded_workload_is_returned_as_it_is() -> None:
    workload = catalog.load("vgg16")
    assert catalog.load(workload) is workload
    with pytest.raises(InputError, match="arguments apply to a name"):
        catalog.load(workload, batch=2)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("resnet81", "workload 'resnet81' is not known; did you mean 'resnet18'"),
        ("", "workload '' is not known"),
        ("resnet18:batch", "'batch' is not of the form key=value"),
        ("resnet18:batch=", "not of the form key=value"),
        ("resnet18:=3", "not of the form key=value"),
        ("resnet18:batch=1,batch=2", "batch is given twice"),
        ("resnet18:bach=2", "resnet18: bach: unknown argument; did you mean 'batch'? (accepted: batch, resolution, sparsity)"),
        ("resnet18:batch=0", "resnet18: batch='0': input should be greater than or equal to 1 (accepted: integer >= 1"),
        ("resnet18:batch=x", "accepted: integer >= 1"),
        ("resnet18:batch=2.5", "accepted: integer >= 1"),
        ("resnet50:stride=5x5", "accepted: 3x3 | 1x1"),
        ("shufflenet-v1:groups=5", "accepted: 1 | 2 | 3 | 4 | 8"),
        ("gpt2:seq_len=4096", "accepted: integer >= 1, <= 1024"),
        ("missing.csv", "missing.csv: no such file"),
        ("missing.onnx:batch=2", "missing.onnx: no such file"),
        ("some/where/resnet18", "some/where/resnet18: no such file"),
    ],
)
def test_a_wrong_request_is_one_clear_line(spec: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        catalog.load(spec)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [True, 2.0, None, [1]])
def test_arguments_of_a_wrong_type_are_refused(value: Any) -> None:
    with pytest.raises(InputError, match="batch="):
        catalog.load("resnet18", batch=value)


def test_arguments_may_be_numpy_integers() -> None:
    numpy = pytest.importorskip("numpy")
    assert catalog.load("resnet18", batch=numpy.int64(2)).name == "resnet18:batch=2"


def test_what_is_no_workload_is_refused() -> None:
    with pytest.raises(InputError, match="expected a name, a path or a workload"):
        catalog.load(3)  # type: ignore[arg-type]


def test_the_value_of_an_argument_may_have_a_colon() -> None:
    trace = catalog.load("random:n=1000,writes=rand:300")
    assert 200 < trace.is_write.sum() < 400


def test_an_argument_cannot_be_given_twice() -> None:
    with pytest.raises(InputError, match="batch is given twice"):
        catalog.load("resnet18:batch=2", batch=2)


def test_a_folder_and_an_unknown_kind_of_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "net.foo").write_text("x")
    (tmp_path / "net.csv").mkdir()
    with pytest.raises(InputError, match=r"kind of file is not known \(accepted: .*\.csv, \.onnx"):
        catalog.load(tmp_path / "net.foo")
    with pytest.raises(InputError, match="not a file"):
        catalog.load(tmp_path / "net.csv")


def test_every_entry_names_its_source_and_describes_its_arguments() -> None:
    for entry in catalog.entries("network"):
        row = entry.row()
        assert row["description"]
        assert row["source"]
        for argument in row["arguments"]:
            assert argument["description"], (entry.name, argument["name"])
            assert argument["accepted"], (entry.name, argument["name"])


def test_a_network_can_be_added_in_one_function() -> None:
    Depth = Annotated[int, Field(ge=1, le=9, description="layers")]

    @catalog.network("tiny", "a few layers", source="this test")
    def tiny(*, batch: Batch = 1, depth: Depth = 2) -> Graph:
        g = Graph()
        x = g.input(batch, 8)
        for layer in range(depth):
            x = g.linear(f"fc{layer}", x, 8)
        return g

    assert "tiny" in catalog.names()
    assert catalog.load("tiny:depth=3").macs == 3 * 64
    assert catalog.load("tiny").source == "this test"


@dataclass(frozen=True)
class Addresses:
    """Another kind of work."""

    name: str
    digest: str
    count: int


def test_other_kinds_of_work_register_by_name_and_by_suffix(tmp_path: Path) -> None:
    @catalog.workload("random-addresses", "uniform", kind="addresses")
    def random(name: str, *, count: Annotated[int, Field(ge=1)] = 10) -> Addresses:
        return Addresses(name, f"random{count}", count)

    @catalog.file_format(".trace.csv", "one address a line", kind="addresses")
    def read(name: str, path: Path, *, skip: Annotated[int, Field(ge=0)] = 0) -> Addresses:
        return Addresses(name, "digest", len(path.read_text().split()) - skip)

    assert catalog.load("random-addresses:count=3") == Addresses("random-addresses:count=3", "random3", 3)
    (tmp_path / "a.trace.csv").write_text("1\n2\n3\n")
    assert catalog.load(f"{tmp_path}/a.trace.csv:skip=1") == Addresses("a.trace.csv:skip=1", "digest", 2)
    assert [entry.name for entry in catalog.entries("addresses")] == ["random-addresses", ".trace.csv"]


class _Point:
    name, value = "broken", "nowhere:nothing"

    def load(self) -> None:
        raise ImportError("no module named nowhere")


def test_a_broken_plugin_warns_and_breaks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "_points", lambda: iter([_Point()]))
    catalog._load_plugins.cache_clear()
    with pytest.warns(UserWarning, match="'broken' .* is broken: no module named nowhere"):
        assert "resnet18" in catalog.names()
    catalog._load_plugins.cache_clear()


def test_a_file_whose_name_has_a_colon_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a:b=1.csv"
    path.write_text("Layer,M,N,K\nL0,2,3,4\n")
    assert catalog.load(str(path)).macs == 24
