"""Kernels with bounds checks and ordinary ones: what the first see, and that neither is ever taken for the other."""

from __future__ import annotations

import importlib.util
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from neurodev import jit, kernel_cache

MODULE = """
import sys
import numpy as np
from neurodev import jit

@jit.kernel
def element(values, k):
    return values[k]

@jit.hook
def beyond(record, a, b, c, d, t):
    jit.view_f8(record, 3)[a] = t

@jit.kernel
def call(hook, record, a):
    jit.call_hook(hook, record, a, 0, 0, 0, 1.0)
"""
LOOK = """
import sys
import numpy as np
from neurodev import jit
import reading
seen = []
sys.unraisablehook = lambda u: seen.append(u.exc_type.__name__)
try:
    reading.element(np.zeros(3), int(sys.argv[1]))
except IndexError:
    seen.append("kernel")
room = np.zeros(1000)
reading.call(jit.address_of_hook(reading.beyond), jit.address(room), int(sys.argv[1]))
print(sum(reading.element.stats.cache_hits.values()), seen, int(room.sum()))
"""


@pytest.mark.skipif(not jit.ENABLED, reason="kernels are compiled")
def test_checked_kernels_and_ordinary_ones_are_kept_apart(tmp_path: Path) -> None:
    """An ordinary kernel in the cache hides no fault from a checked run, and a checked one is never met later."""
    (tmp_path / "reading.py").write_text(MODULE)

    def look(k: int, bounds: str) -> str:
        env = os.environ | {"NEURODEV_CACHE_DIR": str(tmp_path / "cache"), "NUMBA_BOUNDSCHECK": bounds}
        env["PYTHONPATH"] = os.pathsep.join([str(tmp_path), os.environ["PYTHONPATH"]])
        done = subprocess.run([sys.executable, "-c", LOOK, str(k)], env=env, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    assert look(1, "0") == "0 [] 1"  # compiled, in range
    assert look(7, "1") == "0 ['kernel', 'IndexError'] 0"  # compiled anew, with checks, in kernel and hook
    assert look(1, "1") == "1 [] 1"  # from its own folder
    assert look(1, "0") == "1 [] 1"  # and so is the ordinary one
    folders = sorted(p.name for p in (tmp_path / "cache" / "neurodev").iterdir() if p.name.startswith("reading"))
    assert len(folders) == 2 and folders[1] == folders[0] + "-bounds"


def test_views_of_an_address_are_the_memory_itself() -> None:
    """Written through one, read through the next, compiled or not, also in memory that is taken again."""
    for _ in range(3):
        room = np.arange(6.0)
        at = jit.address(room)
        first = looked_at(at)
        room[2] = 7.0
        assert first == 2.0 and looked_at(at) == 7.0
        del room


@jit.kernel
def looked_at(at):  # type: ignore[no-untyped-def]
    """The third number of six."""
    return jit.view_f8(at, 6)[2]


THREAD = """
import warnings
from concurrent.futures import ThreadPoolExecutor
import numpy as np
from neurodev import jit, rng

@jit.kernel
def draws(key, out):
    for k in range(out.size):
        out[k] = rng.uniform(key, np.uint64(k), np.uint64(2))

def draw():
    out = np.zeros(50)
    draws(rng.key(1, "thread"), out)
    return out

warnings.simplefilter("error")
with ThreadPoolExecutor(1) as pool:
    print(draw().tobytes() == pool.submit(draw).result().tobytes() and 0.3 < draw().mean() < 0.7)
"""


def test_hashes_wrap_around_in_every_thread_without_the_compiler() -> None:
    """NumPy's way with overflow belongs to a thread: worker threads warned, where compiled code is silent."""
    env = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run([sys.executable, "-c", THREAD], env=env, capture_output=True, text=True)
    assert done.stdout == "True\n", done.stderr


FORM = """
from typing import NamedTuple
class Form(NamedTuple):
    {fields}
"""
USES = """
import sys
import numpy as np
from neurodev import jit
from neurodev.mechanisms import hooks
from neurodev.mechanisms.hook_record import HookRecord
from form import Form

@jit.kernel
def last(record):
    return hooks.parameters_of(record, Form).last

numbers = np.arange(1.0, 5.0)
record = np.array(HookRecord(**dict.fromkeys(HookRecord._fields, 0) | {"parameters": jit.address(numbers)}))
print(last(jit.address(record)))
"""


def test_a_type_of_hers_may_change_between_two_sessions(tmp_path: Path) -> None:
    """What is compiled of our doors for a NamedTuple of hers must not outlive its fields."""
    (tmp_path / "uses.py").write_text(USES)
    said = []
    for fields in ("last: float", "first: float; second: float; last: float"):
        (tmp_path / "form.py").write_text(FORM.format(fields=fields))
        env = os.environ | {"NEURODEV_CACHE_DIR": str(tmp_path / "kernels"), "PYTHONDONTWRITEBYTECODE": "1"}
        run = subprocess.run(
            [sys.executable, "uses.py"], cwd=tmp_path, env=env, capture_output=True, text=True, check=True
        )
        said.append(run.stdout.strip())
    assert said == ["1.0", "3.0"]


@pytest.mark.skipif(not jit.ENABLED, reason="kernels are compiled")
def test_a_cache_that_cannot_be_trusted_is_ignored_with_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "reading.py").write_text("from neurodev import jit\n\n@jit.kernel\ndef twice(k):\n    return 2 * k\n")
    cache, temporary = tmp_path / "cache", tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.setenv("NEURODEV_CACHE_DIR", str(cache))

    def look() -> tuple[int, list[str]]:
        """How often the cache was used by a new program, and what it said."""
        kernel_cache.folder_of.cache_clear()
        monkeypatch.setattr(kernel_cache, "_said", set())
        spec = importlib.util.spec_from_file_location("reading", tmp_path / "reading.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        assert module.twice(21) == 42
        return sum(module.twice.stats.cache_hits.values()), capsys.readouterr().err.splitlines()

    assert look() == (0, []) and look() == (1, [])
    kept = sorted(cache.rglob("reading.twice*"))
    assert {p.suffix for p in kept} == {".nbi", ".nbc"} and kept[0].parent.parent.stat().st_mode & 0o077 == 0
    for file in kept:  # a bit of machine code, an index that is none, and one that runs what it likes
        whole = file.read_bytes()
        for damage in (whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:], b"", whole[:40], pickle.dumps(Planted())):
            file.write_bytes(damage)
            hits, said = look()
            assert hits == 0 and len(said) == 1 and "cannot be used and is made anew" in said[0]
            assert look() == (1, [])  # and is whole again
    assert not Planted.awake
    folder = kept[0].parent.parent
    folder.chmod(0o777)
    hits, said = look()
    assert hits == 0 and len(said) == 1 and "others may write to" in said[0]
    own = temporary / f"neurodev-kernels-{os.getuid()}"
    assert look()[0] == 1 and own.stat().st_mode & 0o077 == 0  # of this user alone, and no package by its name
    own.rename(temporary / "elsewhere")
    own.symlink_to(temporary / "elsewhere")
    hits, said = look()
    assert hits == 0 and len(said) == 2 and "compiled anew in every session" in said[1]
    folder.chmod(0o700)
    assert look() == (1, [])
    shutil.rmtree(kept[0].parent)
    kept[0].parent.write_text("no folder")
    hits, said = look()
    assert hits == 0 and len(said) < 2
    monkeypatch.setenv("NEURODEV_CACHE_DIR", "/dev/null")
    assert look()[0] == 0
    own.unlink()
    monkeypatch.setenv("NEURODEV_CACHE_DIR", str(temporary))
    assert look() == (0, []) and look() == (1, []) and own.is_dir() and not (temporary / "neurodev").exists()


class Planted:
    """What does something when it is unpickled."""

    awake: ClassVar[list[int]] = []

    def __reduce__(self) -> tuple[object, ...]:
        return Planted.awake.append, (1,)
