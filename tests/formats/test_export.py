"""The door by which runs and histories go out: a format by its end or name, and nothing written over."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

import neurodev as nd
from neurodev import History, registry
from neurodev.cli import main
from neurodev.errors import NeurodevError, ParameterError
from neurodev.formats.base import Format
from neurodev.runs import export
from tests.learn.small import net, trained

LIBRARIES = {  # what each format of ours imports, and the extra that brings it
    "GraphML": ("networkx", "graphs", "a.graphml"), "Neo": ("neo", "neo", "a.nix"),
    "NIR": ("nir", "nir", "a.nir"), "NWB": ("pynwb", "nwb", "a.nwb"), "Parquet": ("pyarrow", "tables", "a.parquet"),
    "SONATA": ("h5py", "sonata", "a.sonata"), "TensorBoard": ("tensorboardX", "tensorboard", "a.tensorboard"),
}  # fmt: skip


def test_nothing_is_written_over(strange: History, run: Any, tmp_path: Path) -> None:
    to = tmp_path / "a.csv"
    assert strange.export(to) == to
    first = to.read_bytes()
    with pytest.raises(ParameterError, match=r"a.csv' is there already: overwrite=True \(--overwrite\) replaces it"):
        strange.export(to, table="sessions")
    assert to.read_bytes() == first
    strange.export(to, table="sessions", overwrite=True)
    assert to.read_bytes() != first
    with pytest.raises(ParameterError, match="holds a run, which would be lost"):
        run.export(run.path, "CSV", overwrite=True)
    with pytest.raises(ParameterError, match="is a folder of other things"):
        run.export(tmp_path, "CSV", overwrite=True)
    with pytest.raises(ParameterError, match="none' does not exist: make it first"):
        run.export(tmp_path / "none" / "a.csv")
    with pytest.raises(ParameterError, match="overwrite must be True or False"):
        run.export(to, overwrite="yes")
    assert [p.name for p in tmp_path.iterdir()] == ["a.csv"]


def test_what_stood_there_stays_where_writing_fails(
    strange: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    to = strange.export(tmp_path / "a.csv")
    first = to.read_bytes()

    def half(self: Any, what: Any, path: Path) -> None:
        path.write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(registry.find("format", "CSV"), "write", half)
    with pytest.raises(NeurodevError, match="No space left on device; what stood there before stays"):
        strange.export(to, overwrite=True)
    assert to.read_bytes() == first and [p.name for p in tmp_path.iterdir()] == ["a.csv"]


def test_folders_are_replaced_when_they_are_whole(tmp_path: Path) -> None:
    def folder(*names: str) -> Any:
        return lambda part: (part.mkdir(), *((part / n).write_text(n) for n in names))

    to = tmp_path / "a.thing"
    export.whole(to, folder("mark", "one"))
    with pytest.raises(ParameterError, match="folder of other things"):
        export.free(to, True, "other")
    with pytest.raises(ParameterError, match="there already"):
        export.free(to, False, "mark")
    export.free(to, True, "mark")
    export.whole(to, folder("mark", "two"))
    assert sorted(p.name for p in to.iterdir()) == ["mark", "two"]
    with pytest.raises(ZeroDivisionError):
        export.whole(to, lambda part: (part.mkdir(), 1 / 0))
    assert sorted(p.name for p in to.iterdir()) == ["mark", "two"] and len(list(tmp_path.iterdir())) == 1


def test_her_own_format_goes_by_the_same_door(
    strange: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Any
) -> None:
    """By its end, by its name and by its word, also on the command line."""
    monkeypatch.setattr(registry, "_known", {k: dict(v) for k, v in registry._known.items()})
    monkeypatch.chdir(tmp_path)
    (tmp_path / "her_names_format.py").write_text(
        "from pathlib import Path\nfrom neurodev.formats.base import Format\n"
        "class Names(Format):\n    suffix = '.names'\n"
        "    def __init__(self, upper=False):\n        self.upper = upper\n"
        "    def write(self, what, path):\n        lives = what if hasattr(what, 'ident') else what.history()\n"
        "        text = ' '.join(map(str, lives.ident))\n"
        "        Path(path).write_text(text.upper() if self.upper else text)\n"
        "    def read(self, path):\n        return Path(path).read_text().split()\n"
    )
    assert main(["export", str(run.path), "--to", "a.txt", "--kind", "her_names_format:Names"]) == 0
    assert len(Path("a.txt").read_text().split()) == len(run.spines)
    strange.export("b.names", upper=True)
    assert "ÜNÏCODE" in Path("b.names").read_text()
    assert main(["export", str(run.path), "--to", "c.names", "--set", "upper=true"]) == 0
    with pytest.raises(ParameterError, match=r"Names has no parameter 'uper' \(did you mean 'upper'\?\)"):
        strange.export("d.names", uper=True)

    class Commas(Format):
        suffix = ".csv"

        def write(self, what: Any, path: Path | str) -> None: ...
        def read(self, path: Path | str) -> None: ...

    with pytest.raises(ParameterError, match="path 'a.csv' may be CSV or Commas: say which, kind="):
        strange.export("a.csv")
    strange.export("a.csv", "CSV")


def test_formats_that_there_are_not(strange: History, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"'a.xyz' does not say its format: end it in one of .*.csv \(CSV\), "):
        strange.export(tmp_path / "a.xyz")
    with pytest.raises(ParameterError, match=r"there is no format 'csv' \(did you mean 'CSV'"):
        strange.export(tmp_path / "a", "csv")
    with pytest.raises(ParameterError, match="path must be the path of a file"):
        strange.export(3)
    with pytest.raises(ParameterError, match="does not say its format"):
        strange.export(tmp_path / ".csv")


@pytest.mark.parametrize("name", LIBRARIES)
def test_a_missing_library_is_told_with_the_line_for_pip(
    name: str, strange: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library, extra, file = LIBRARIES[name]
    for module in [m for m in sys.modules if m.split(".")[0] == library]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, library, None)
    said = rf"{name} needs {library}, which is not installed: pip install 'neurodev\[{extra}\]'"
    what = strange if name != "NIR" else net()  # a model has no history
    with pytest.raises(ParameterError, match=said):
        what.export(tmp_path / file, name)
    with pytest.raises(ParameterError, match=said):
        registry.find("format", name)().read(tmp_path / file)
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A training, and a run without spines."""
    folder = tmp_path_factory.mktemp("others")
    t = trained(epochs=2, to=folder / "training.sqlite", methods=[nd.methods.SET(0.5)])
    t.fit()
    net = nd.Network(seed=1)
    net.connect(net.add(nd.Poisson(5.0), 3), net.add(nd.LIF(), 2), nd.AllToAll(), weight=1.0, name="still")
    bare = nd.simulate(net, 100.0, tick=100.0, to=folder / "bare.sqlite", progress=False)
    return {"training": t.close(), "bare": bare}


@pytest.mark.filterwarnings("ignore")  # of their libraries
@pytest.mark.parametrize("name", sorted(registry.OURS["format"]))
@pytest.mark.parametrize("which", ["training", "bare"])
def test_a_training_and_a_run_without_spines(which: str, name: str, others: dict[str, Any], tmp_path: Path) -> None:
    """Each goes out where the format has words for it, and is refused in one sentence where it has none."""
    if name in LIBRARIES:
        pytest.importorskip(LIBRARIES[name][0])
        if name == "Neo":
            pytest.importorskip("nixio")
    form = registry.find("format", name)
    to = tmp_path / f"a{form.suffix}"
    refused = {"training": {"Neo": "is of training"}, "bare": dict.fromkeys(
        ("CSV", "GraphML", "NPZ", "Parquet", "SparseMatrix"), "no projection on spines"
    ) | {"NIR": "not of training", "TensorBoard": "takes a run of training"}}[which].get(name)  # fmt: skip
    if refused:
        with pytest.raises(ParameterError, match=refused):
            others[which].export(to)
        assert not list(tmp_path.iterdir())
    else:
        assert form().read(others[which].export(to)) is not None
    if which == "bare" and name in ("GraphML", "SparseMatrix"):
        assert form().read(others[which].export(to, projection="still")).row.size == 6


def test_formats_are_found_in_their_room() -> None:
    from neurodev import formats

    assert formats.NPZ is registry.find("format", "NPZ") and "GraphML" in dir(formats)
    with pytest.raises(AttributeError, match="neurodev.formats has no 'NPY'; formats are"):
        _ = formats.NPY


def test_every_format_says_its_end_and_its_extra() -> None:
    ends = [f.suffix for f in registry.ours("format").values()]
    assert all(e[0] == "." for e in ends) and len(set(ends)) == len(ends)
    assert {n for n, f in registry.ours("format").items() if f.extra} == set(LIBRARIES)
    assert all(registry.find("format", n).extra == extra for n, (_, extra, _) in LIBRARIES.items())
