"""Provenance: words and numbers, and hashes that tell user mechanisms apart."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from neurodev.record.provenance import environment, sources
from neurodev.record.sources import source_hash


def module(path: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    out = importlib.util.module_from_spec(spec)
    sys.modules[name] = out
    spec.loader.exec_module(out)
    return out


def test_the_environment_is_words_and_numbers() -> None:
    e = environment()
    assert json.loads(json.dumps(e)) == e
    assert {"python", "numpy", "numba", "neurodev"} <= set(e["versions"])
    assert e["machine"] and e["system"] and e["date"].endswith("+00:00")


def test_hashes_follow_the_source_and_names_do_not_collide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for k, name in enumerate(("mine_a", "mine_b")):
        (tmp_path / f"{name}.py").write_text(f"class Mine:\n    value = {k}\n")
        monkeypatch.delitem(sys.modules, name, raising=False)
    a, b = (module(tmp_path / f"{n}.py", n) for n in ("mine_a", "mine_b"))
    out = sources([a.Mine(), a.Mine(), b.Mine()])
    assert set(out) == {"Mine", "mine_b.Mine"} and out["Mine"]["path"] == "mine_a.Mine"
    assert out["Mine"]["sha256"] != out["mine_b.Mine"]["sha256"] and len(out["Mine"]["sha256"]) == 64
    for name in ("mine_a", "mine_b"):
        del sys.modules[name]


def test_a_source_that_cannot_be_read_has_no_hash() -> None:
    made: dict[str, type] = {}
    exec("class Ghost: pass", {"__name__": "nowhere"}, made)
    assert source_hash(made["Ghost"]) == ""
