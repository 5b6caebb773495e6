"""The registry: ours as they are defined, theirs by 'module:Class', and what it says to a wrong word."""

from __future__ import annotations

import subprocess
import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import pytest

import neurodev as nd
from neurodev import registry
from neurodev.errors import ParameterError, StudyError
from neurodev.record.provenance import check_sources, foreign
from neurodev.record.sources import source_hash
from neurodev.registry import Registered


def test_the_tables_say_what_the_package_defines() -> None:
    """Every public class or function that can be made, with its module; nothing else."""
    for module in walk_packages(nd.__path__, "neurodev."):
        import_module(module.name)
    defined = {
        kind: {n: t.__module__ for n, t in registry._made(kind).items() if registry.is_ours(t)}
        for kind in registry._known
    }
    written = {kind: table for kind, table in registry.OURS.items() if table}
    assert {k: v for k, v in defined.items() if v} == written


def test_every_base_that_is_named_exists() -> None:
    for kind, base in registry.BASES.items():
        module, _, name = base.rpartition(".")
        found = getattr(import_module(module), name)
        assert registry.kind_of(found) == kind, kind


def test_public_names_are_those_of_the_registry() -> None:
    flat = {n for kind in ("mechanism", "drive", "wiring", "delay", "intervention") for n in registry.OURS[kind]}
    assert flat <= set(nd.__all__) <= set(dir(nd))
    assert {"Mechanism", "NeuronModel", "Drive", "Wiring", "Intervention", "Cause", "param"} <= set(nd.__all__)
    assert {"learn", "methods", "data", "networks", "mechanisms", "Simulation"} <= set(dir(nd))
    assert not {"Simulator", "Recording"} & set(dir(nd))
    assert all(getattr(nd, name) is not None for name in nd.__all__)
    assert nd.wiring.Near is nd.Near is registry.find("wiring", "Near")
    assert nd.drives.Recorded is nd.Recorded and nd.delays.Uniform is nd.Uniform
    assert nd.mechanisms.STDP is nd.STDP and "STDP" in dir(nd.mechanisms)
    assert dir(nd.methods) == sorted(registry.OURS["method"]) and nd.methods.NDSNN.__module__.startswith("neurodev.")
    with pytest.raises(AttributeError, match=r"did you mean 'Near'"):
        nd.wiring.Neer  # noqa: B018
    with pytest.raises(AttributeError, match="STPD"):
        nd.STPD  # noqa: B018


def test_defining_registers_and_a_second_definition_replaces() -> None:
    class Shade(Registered, ABC, kind="shade"):
        @abstractmethod
        def depth(self) -> float: ...

    @dataclass(frozen=True)
    class Grey(Shade):
        level: float = 0.5

        def depth(self) -> float:
            return self.level

    first = Grey

    @dataclass(frozen=True, slots=True)
    class Grey(Shade):  # type: ignore[no-redef]
        level: float = 0.1

        def depth(self) -> float:
            return self.level

    class Half(Shade):
        """No depth yet."""

    class Draft(Grey, word=False):
        """A base for others."""

    assert registry.find("shade", "Grey") is Grey is not first and Grey().depth() == 0.1
    assert registry.names("shade") == ["Grey"] and registry.kind_of(first) == "shade"
    for word in ("Half", "Shade", "Draft"):
        with pytest.raises(ParameterError, match="abstract shade|there is no shade"):
            registry.find("shade", word)


def test_a_name_of_ours_stays_ours() -> None:
    ours = nd.STDP
    theirs = type("STDP", (nd.mechanisms.Scaling,), {"__module__": "elsewhere"})
    assert registry.find("mechanism", "STDP") is ours is not theirs
    assert registry.word_of(theirs) == "elsewhere:STDP" and registry.word_of(ours) == "STDP"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(folder: Path, name: str, text: str) -> None:
    (folder / f"{name}.py").write_text(text)
    sys.modules.pop(name, None)


def test_the_door_says_what_is_wrong(here: Path) -> None:
    written(here, "reg_broken", "x = 1\nraise ValueError('no luck')\n")
    written(here, "reg_syntax", "x = = 1\n")
    written(
        here, "reg_fields",
        "from dataclasses import dataclass\n@dataclass\nclass Thing:\n    a: int = 1\n    b: int\n",
    )  # fmt: skip
    written(here, "reg_needs", "import not_there_at_all\n")
    written(
        here, "reg_good",
        "import neurodev as nd\nfrom neurodev.mechanisms.base import Mechanism\nclass Plain: ...\n"
        "class Open(nd.drives.Poisson): ...\nfrom neurodev.neurons.drive import Drive\nclass Half(Drive): ...\n",
    )  # fmt: skip
    for word, match in {
        "reg_none:Thing": r"no module 'reg_none' in the working folder .* PYTHONPATH",
        "reg_broken:Thing": r"failed with ValueError: no luck \(.*reg_broken.py, line 2\)",
        "reg_fields:Thing": r"failed with TypeError: non-default .*reg_fields.py, line \d+\)",
        "reg_syntax:Thing": r"failed with SyntaxError.*reg_syntax.py, line 1",
        "reg_needs:Thing": "imports 'not_there_at_all', which is not installed",
        "reg_good:Plane": r"has no 'Plane' \(did you mean 'Plain'\?\)",
        "reg_good:Plain": "is not a mechanism: derive a class from neurodev.Mechanism",
        "reg_good:Open": "is a drive, not a mechanism",
        "reg_good.py:Open": "names a file: write 'reg_good:Open'",
        "./reg_good:Open": "names a file: write 'reg_good:Open', as in an import$",
        "sub/reg_good.py:Open": "names a file: write 'sub.reg_good:Open', as in an import$",
        "/far/reg_good.py:Open": "write 'reg_good:Open', as in an import, and start from '/far'",
        "../reg_good:Open": "write 'reg_good:Open', as in an import, and start from '..'",
        ".reg_good:Open": "not the name of a module",
        3: "is found by its name",
        "reg_good:": "not a word of the form 'module:Class'",
    }.items():
        with pytest.raises(ParameterError, match=match):
            registry.find("mechanism", word)
    with pytest.raises(ParameterError, match="is an abstract drive: define bind, mean_rate_hz"):
        registry.find("drive", "reg_good:Half")
    with pytest.raises(ParameterError, match=r"no mechanism 'STPD' \(did you mean 'STDP'\?\)"):
        registry.find("mechanism", "STPD")
    with pytest.raises(ParameterError, match=r"there is no format 'nwb' \(did you mean 'NWB'\?\); there are"):
        registry.find("format", "nwb")
    assert registry.find("data set", "reg_good:Plain").__name__ == "Plain"  # any function will do
    assert str(here) not in sys.path


def test_what_her_module_imports_later_is_found_beside_it(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An import within a function, after the folder has left the path, and from another folder."""
    written(here, "reg_late", "import neurodev as nd\nclass Late(nd.Poisson):\n    def f(self):\n"
            "        import reg_later\n        return reg_later.x\n")  # fmt: skip
    written(here, "reg_later", "x = 5\n")
    late = registry.find("drive", "reg_late:Late")
    monkeypatch.chdir("/")
    assert str(here) not in sys.path and late().f() == 5
    registry.Beside.folders.remove(str(here))
    registry._known["drive"].pop("Late")


def test_a_call_that_does_not_fit_names_the_nearest_keyword() -> None:
    """Every class of the registry and every function but losses, whichever way they hand their arguments on."""
    for kind in registry.OURS:
        for thing in registry.ours(kind).values():
            if kind == "loss" or not (known := registry.keywords(thing)[0]):
                continue
            word = known[-1] + "x"
            with pytest.raises(ParameterError, match=f"has no (parameter|argument) '{word}'|keyword argument '{word}'"):
                thing(**{word: 1})
    with pytest.raises(ParameterError, match="LIF has no parameter 'tau_m' .did you mean 'tau'"):
        nd.LIF(tau_m=10.0)  # type: ignore[call-arg]
    with pytest.raises(ParameterError, match="'surogate' .did you mean 'surrogate'"):
        nd.learn.AdaptiveLIF(surogate="arctan")
    with pytest.raises(ParameterError, match="Drive is abstract: derive a class that defines bind"):
        nd.Drive()  # type: ignore[abstract]


def test_a_changed_source_is_refused_by_name(here: Path) -> None:
    text = "from neurodev import drives\nclass Mine(drives.Poisson):\n    pass\n"
    written(here, "reg_source", text)
    mine = registry.find("drive", "reg_source:Mine")()
    recorded = foreign(mine, nd.Poisson(), None, len)
    assert list(recorded) == ["reg_source:Mine"] and recorded["reg_source:Mine"]["kind"] == "drive"
    check_sources(recorded)
    (here / "reg_source.py").write_text(text + "# another\n")
    with pytest.raises(StudyError, match="source of 'reg_source:Mine' is not what it was"):
        check_sources(recorded)
    (here / "reg_source.py").write_text(text)
    del sys.modules["reg_source"]
    with pytest.raises(StudyError, match="'reg_source:Mine', a drive that .* import reg_source first"):
        check_sources(recorded)
    check_sources(recorded, trust=True)
    del sys.modules["reg_source"].Mine
    with pytest.raises(StudyError, match="no longer has"):
        check_sources(recorded)


def test_two_modules_may_give_one_name(here: Path) -> None:
    """The bare word is refused with both; a second definition in the same module still replaces the first."""
    for name in ("reg_one", "reg_two"):
        written(here, name, "import neurodev as nd\nclass Twin(nd.drives.Poisson):\n    pass\n")
    first = registry.find("drive", "reg_one:Twin")
    assert registry.find("drive", "Twin") is first
    second = registry.find("drive", "reg_two:Twin")
    with pytest.raises(ParameterError, match="more than one drive: say which, 'reg_one:Twin' or 'reg_two:Twin'"):
        registry.find("drive", "Twin")
    told = registry.every("drive")
    assert "Twin" not in told and told["reg_one:Twin"] is first and told["reg_two:Twin"] is second
    del sys.modules["reg_two"]
    again = registry.find("drive", "reg_two:Twin")
    assert again is not second and registry.every("drive")["reg_two:Twin"] is again
    registry._known["drive"].pop("Twin")


def test_bases_and_what_they_import_are_part_of_the_source(here: Path) -> None:
    """Her class, the base in a module beside it, what that imports, and a package with imports of its own."""
    written(here, "reg_deep", "RATE = 1.0\n")
    written(here, "reg_helper", "import numpy\nimport reg_deep\nimport neurodev as nd\nclass Base(nd.Poisson): ...\n")
    written(here, "reg_child", "import reg_helper\nclass Child(reg_helper.Base): ...\n")
    (here / "reg_pack").mkdir()
    for name, text in {
        "__init__": "from . import sky\n", "sky": "from .blue import depth\n", "blue": "depth = 1\n",
        "thing": "import neurodev as nd\nfrom reg_pack.sky import depth\nclass Thing(nd.Poisson): ...\n",
    }.items():  # fmt: skip
        (here / "reg_pack" / f"{name}.py").write_text(text)
    things = registry.find("drive", "reg_child:Child")(), registry.find("drive", "reg_pack.thing:Thing")()
    recorded = foreign(*things)
    check_sources(recorded)
    for file, word in {
        "reg_deep.py": "reg_child:Child", "reg_helper.py": "reg_child:Child",
        "reg_pack/blue.py": "reg_pack.thing:Thing", "reg_pack/__init__.py": "reg_pack.thing:Thing",
    }.items():  # fmt: skip
        old = (here / file).read_text()
        (here / file).write_text(old + "# another\n")
        with pytest.raises(StudyError, match=f"source of '{word}' is not what it was"):
            check_sources(recorded, trust=True)
        (here / file).write_text(old)
    (here / "reg_other.py").write_text("stranger = 1\n")
    check_sources(recorded)
    for name in [m for m in sys.modules if m.startswith("reg_")]:
        del sys.modules[name]


def test_an_unknown_source_is_not_an_unchanged_one(here: Path) -> None:
    written(here, "reg_inner", "class Outer:\n    class Inner: ...\n")
    registry.imported("reg_inner", "reg_inner:Outer")
    word = "reg_inner:Outer.Inner"
    recorded = {word: {"kind": "drive", "sha256": source_hash(sys.modules["reg_inner"].Outer.Inner)}}
    check_sources(recorded)
    unread = {word: {"kind": "drive", "sha256": ""}}
    with pytest.raises(StudyError, match=f"source of '{word}' could not be read"):
        check_sources(unread)
    check_sources(unread, trust=True)
    (here / "reg_inner.py").unlink()
    with pytest.raises(StudyError, match="could not be read"):
        check_sources(recorded)
    del sys.modules["reg_inner"].Outer.Inner
    with pytest.raises(StudyError, match=f"{word}', which module 'reg_inner' no longer has"):
        check_sources(recorded)
    for damaged in ({}, {"kind": "drive"}, {"sha256": "x"}, {"kind": None, "sha256": "x"}, "x", None):
        with pytest.raises(StudyError, match="without its kind and hash; the file is damaged"):
            check_sources({word: damaged})  # type: ignore[dict-item]


def test_a_format_of_her_own(here: Path) -> None:
    """Found by its name and by its word, refuses by name what it cannot say, reads what it wrote."""
    written(
        here, "reg_format",
        "import json\nfrom pathlib import Path\nfrom neurodev.formats.base import Format\n"
        "class Numbers(Format):\n    suffix = '.json'\n"
        "    def write(self, what, path):\n"
        "        if strange := [k for k, v in what.items() if not isinstance(v, float)]:\n"
        "            self.refuse(strange, 'numbers alone')\n"
        "        Path(path).write_text(json.dumps(what))\n"
        "    def read(self, path):\n        return json.loads(Path(path).read_text())\n"
        "class Half(Format):\n    def write(self, what, path): ...\n",
    )  # fmt: skip
    numbers = registry.find("format", "reg_format:Numbers")
    assert registry.find("format", "Numbers") is numbers and numbers.suffix == ".json"
    numbers().write({"a": 0.5}, "a.json")
    assert numbers().read("a.json") == {"a": 0.5}
    with pytest.raises(ParameterError, match="Numbers cannot say 'b', 'c': it has words for numbers alone"):
        numbers().write({"a": 0.5, "b": None, "c": "x"}, "b.json")
    assert not Path("b.json").exists()
    with pytest.raises(ParameterError, match="is an abstract format: define read"):
        registry.find("format", "reg_format:Half")
    with pytest.raises(ParameterError, match="is not a format: derive a class from neurodev.formats.base.Format"):
        registry.find("format", "reg_format:Path")
    for name in ("Numbers", "Half"):
        registry._known["format"].pop(name)


def test_parts_of_things_are_told() -> None:
    """A wiring within a wiring, the curves of a mechanism, the surrogate of a layer."""
    near = type("Closer", (nd.Near,), {"__module__": "elsewhere"})
    curve = type("Bend", (nd.LinearGrowth,), {"__module__": "elsewhere"})
    slope = type("Steep", (nd.learn.Surrogate,), {"__module__": "elsewhere"})
    things = (nd.Contacts(near()), nd.Growth(elements={"a": curve()}), nd.learn.LIF(0.5, surrogate=slope()))
    assert set(foreign(*things)) == {"elsewhere:Closer", "elsewhere:Bend", "elsewhere:Steep"}
    assert nd.Contacts(near()).wiring is not None and "elsewhere:Bend" in str(things[1].describe())


def test_importing_is_cheap() -> None:
    """Not even NumPy before it is needed: modules of the ground alone."""
    code = (
        "import sys, neurodev\n"
        "print(sorted(m for m in sys.modules if m.split('.')[0] in ('neurodev', 'numpy', 'numba')))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert eval(out) == [
        "neurodev", "neurodev.errors", "neurodev.moved", "neurodev.ours", "neurodev.registry",
    ]  # fmt: skip
