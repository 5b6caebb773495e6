"""Old modules and names still import for a release, warn, and are the new ones."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

import neurodev as nd
from neurodev import moved, registry


@pytest.mark.parametrize("old", moved.MODULES)
def test_old_modules_are_the_new_ones(old: str) -> None:
    sys.modules.pop(f"neurodev.{old}", None)
    with pytest.warns(DeprecationWarning, match=rf"neurodev\.{old} is now neurodev\.") as seen:
        found = import_module(f"neurodev.{old}")
    assert seen[0].filename == __file__  # who is told is who used it
    for place in moved.MODULES[old].split():
        new = import_module(f"neurodev.{place}")
        for name in (n for n in dir(new) if n[0] != "_" and getattr(vars(new)[n], "__module__", "") == new.__name__):
            assert getattr(found, name) is getattr(new, name)


@pytest.mark.parametrize("old", [n for n in moved.NAMES if moved.NAMES[n].partition(":")[2]])
def test_old_names_are_the_new_ones(old: str) -> None:
    module, _, name = old.rpartition(".")
    where, _, new = moved.NAMES[old].partition(":")
    with pytest.warns(DeprecationWarning, match=rf"{old} is now neurodev\.{where}\.{new}") as seen:
        found = getattr(import_module(module), name)
    assert found is getattr(import_module(f"neurodev.{where}"), new)
    assert seen[0].filename == __file__


@pytest.mark.parametrize("old", moved.TABLES)
def test_old_tables_list_what_the_registry_knows(old: str) -> None:
    module, _, name = old.rpartition(".")
    with pytest.warns(DeprecationWarning, match=rf"registry.ours\('{moved.TABLES[old]}'\)"):
        assert set(getattr(import_module(module), name)) == set(registry.OURS[moved.TABLES[old]])


def test_packages_that_were_modules_lend_their_names() -> None:
    for old, name in (("bench", "run"), ("engine.loop", "run"), ("learn.kernels", "scatter_rows")):
        package = import_module(f"neurodev.{old}")
        new = import_module(f"neurodev.{moved.NAMES[f'neurodev.{old}']}")
        name = name if hasattr(new, name) else next(n for n in dir(new) if n[0] != "_")
        with pytest.warns(DeprecationWarning, match=name):
            assert getattr(package, name) is getattr(new, name)
        with pytest.raises(AttributeError, match="no attribute 'not_there'"):
            package.not_there  # noqa: B018


def test_simulate_stays_a_function_and_presets_a_module() -> None:
    """The old module `neurodev.simulate` does not take the place of the function."""
    code = (
        "import warnings; warnings.simplefilter('ignore')\n"
        "import neurodev as nd\nimport neurodev.simulate\nfrom neurodev.simulate import Simulation, Probe, simulate\n"
        "import neurodev.presets\nfrom neurodev.learn.loss import rate_mse\nfrom neurodev import study, training\n"
        "assert nd.simulate is simulate and callable(nd.simulate) and nd.Simulation is Simulation\n"
        "assert nd.presets.__name__ == 'neurodev.mechanisms.presets' and study.load and training.fully_connected\n"
        "print('good')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "good", done.stderr


def test_what_never_was_is_not_found() -> None:
    with pytest.raises(ModuleNotFoundError):
        import_module("neurodev.never_there")
    assert not hasattr(nd, "never_there")
