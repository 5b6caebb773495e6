"""The ground everything stands on: units, errors, parameters, random numbers, and the door to the compiler."""

import dataclasses
import math
import os
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from neurodev import errors, jit, kernel_cache, rng, units
from neurodev.noise import normals_of, uniforms_of
from neurodev.params import ParameterInfo, asdict, asks, check, counted, describe, finite, param

# ---------------------------------------------------------------- units and errors


def test_units_convert_to_ms_mv_um_pa():
    """A day is 86.4 million ms; what is a unit of the house is 1."""
    assert (units.second, units.minute, units.hour, units.day) == (1e3, 6e4, 3.6e6, 8.64e7)
    assert units.us * 1000 == units.ms == units.mV == units.um == units.um3 == units.pA == units.pF == units.Hz == 1.0
    assert (units.volt, units.mm, units.nA) == (1e3, 1e3, 1e3)
    assert math.isclose((10 * units.nS) * (20 * units.mV), 200 * units.pA)  # Ohm's law without a factor


def test_errors_are_what_python_expects_of_them():
    """Code that catches ValueError, OSError or RuntimeError catches ours, and one base catches all."""
    for error, standard in (
        (errors.ParameterError, ValueError), (errors.BuildError, ValueError), (errors.StudyError, ValueError),
        (errors.RunFileError, OSError), (errors.InvariantError, AssertionError), (errors.SimulationError, RuntimeError),
    ):  # fmt: skip
        assert issubclass(error, standard) and issubclass(error, errors.NeurodevError)


def test_the_nearest_word_is_offered_only_if_it_is_near():
    assert errors.nearest("treshold", ["threshold", "tau"]) == " (did you mean 'threshold'?)"
    assert errors.nearest("xyz", ["threshold", "tau"]) == errors.nearest("tau", []) == ""


def test_no_two_statuses_are_equal_and_done_is_zero():
    assert errors.Status.DONE == 0 and len(set(errors.Status)) == len(errors.Status.__members__)


# ---------------------------------------------------------------- parameters


@dataclasses.dataclass(frozen=True)
class Thing:
    """One parameter of every kind."""

    tau: float = param(20.0, unit="ms", clock="spike", above=0.0, high=math.inf, source="a paper", doc="time constant")
    share: float = param(0.5, low=0.0, high=1.0)
    rate_hz: object = param(1.0, unit="Hz", low=0.0, array=True)
    kind: str = param("pair", choices=("pair", "triplet"))
    on: bool = param(True)
    room: float | None = param(None, unit="um", low=0.0, none=True)
    note: str = "free text, not a parameter"

    def __post_init__(self) -> None:
        check(self)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"tau": 0.0}, "Thing.tau must be > 0.0 ms, got 0.0"),
        ({"tau": -math.inf}, "Thing.tau must be > 0.0 ms, got -inf"),
        ({"tau": math.nan}, "Thing.tau must be finite, got nan; unit ms"),
        ({"tau": "20"}, "Thing.tau must be a number in ms, got '20'"),
        ({"tau": True}, "Thing.tau must be a number in ms, got True"),
        ({"tau": np.array([1.0, 2.0])}, "Thing.tau must be a number in ms"),
        ({"tau": None}, "Thing.tau must be a number in ms, got None"),
        ({"share": -0.1}, "Thing.share must be >= 0.0 1, got -0.1"),
        ({"share": 1.5}, "Thing.share must be <= 1.0 1, got 1.5"),
        ({"share": math.inf}, "Thing.share must be finite, got inf; unit 1"),
        ({"rate_hz": [1.0, -1.0]}, r"Thing.rate_hz must be >= 0.0 Hz, got [1.0, -1.0]"),
        ({"rate_hz": [1.0, math.nan]}, "Thing.rate_hz must be finite, got [1.0, nan]; unit Hz"),
        ({"rate_hz": "fast"}, "Thing.rate_hz must be a number or an array of numbers in Hz, got 'fast'"),
        ({"kind": "triplets"}, "must be one of ('pair', 'triplet'), got 'triplets' (did you mean 'triplet'?)"),
        ({"on": 1}, "Thing.on must be True or False, got 1"),
        ({"room": -1.0}, "Thing.room must be >= 0.0 um, got -1.0"),
    ],
)
def test_a_bad_value_is_named_with_its_cure(given, said):
    with pytest.raises(errors.ParameterError) as e:
        Thing(**given)
    assert said in str(e.value)


def test_good_values_of_all_types_pass():
    """Also an infinite time constant where that is declared, whole numbers, NumPy scalars and None where allowed."""
    for given in ({"tau": math.inf}, {"tau": 3}, {"tau": np.float32(2)}, {"rate_hz": np.arange(3)}, {"room": None}):
        Thing(**given)


def test_parameters_describe_themselves():
    known = describe(Thing)
    assert [p.name for p in known] == ["tau", "share", "rate_hz", "kind", "on", "room"]
    assert known[0] == ParameterInfo("tau", 20.0, "ms", "spike", 0.0, math.inf, "a paper", "time constant")
    assert asdict(Thing(tau=np.float64(3), rate_hz=np.ones(2)))["rate_hz"] == [1.0, 1.0]
    assert type(asdict(Thing(tau=np.float64(3)))["tau"]) is float and "note" not in asdict(Thing())


def test_a_parameter_without_a_known_unit_or_clock_cannot_be_declared():
    with pytest.raises(errors.ParameterError, match="unit 'furlong'"):
        param(1.0, unit="furlong")
    with pytest.raises(errors.ParameterError, match="clock 'wall'"):
        param(1.0, clock="wall")


# ---------------------------------------------------------------- random numbers

U8 = np.uint64


def test_arguments_are_asked_alike_however_they_are_given():
    """In order, by name, or left out; a mistake says the same."""

    @asks(n=counted(1), rate=finite("Hz", low=0.0), kind=finite())
    def both(first, n=3, rate=2.0, kind=1):
        return first, n, rate, kind

    ways = (
        ((1, 2, 3), {}), ((1, 2), {"rate": 3}), ((1,), {"n": 2, "rate": 3}), ((), {"first": 1, "n": 2, "rate": 3}),
    )  # fmt: skip
    for args, given in ways:
        assert both(*args, **given) == (1, 2, 3.0, 1)
        assert type(both(*args, **given)[2]) is float
    assert both(5) == (5, 3, 2.0, 1)
    wrong = (
        ((1, 0), {}, "n"),
        ((1, 2, -1), {}, "rate"),
        ((1, 0, -1), {}, "n"),
        ((), {}, "first"),
        ((1,) * 5, {}, "too many"),
    )
    for args, given, said in wrong:
        with pytest.raises(errors.ParameterError, match=said):
            both(*args, **given)
    for given in ({"n": 0}, {"n": 2, "rate": -1}):
        in_order = (1, *given.values())
        said = [pytest.raises(errors.ParameterError, both, *a, **g) for a, g in ((in_order, {}), ((1,), given))]
        assert str(said[0].value) == str(said[1].value)


def test_bits_are_those_of_splitmix64():
    """Published first words of SplitMix64 for the seeds 0 and 1234567."""
    for seed, words in (
        (0, [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]),
        (1234567, [6457827717110365317, 3203168211198807973, 9817491932198370423]),
    ):
        state = U8(seed) + rng.GOLDEN * np.arange(1, 4, dtype=U8)
        assert [int(rng.mix(z)) for z in state] == words


def test_a_stream_has_its_name():
    """Keys differ by seed and name, not by how often or in which order they are asked for; separators count."""
    keys = {int(rng.key(s, *n)) for s in (0, 1) for n in (("a",), ("b",), ("a", 1), ("a", "b"), ("ab",), ())}
    assert len(keys) == 12
    assert rng.key(3, "a", 1) == rng.key(3, "a", "1")
    a, b = (rng.generator(3, "wiring", "q").random(4) for _ in range(2))
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("seed", [-1, 2**63, 1.0, True, "1", None])
def test_a_seed_is_a_whole_number(seed):
    with pytest.raises(errors.ParameterError, match="seed must be an integer"):
        rng.check_seed(seed)


def test_draws_depend_on_key_counter_and_step_alone():
    """Any order, any company, one by one: the same numbers."""
    stream, counter = rng.key(1, "x"), np.arange(1000, dtype=U8)
    whole = uniforms_of(stream, counter, 7)
    order = np.random.default_rng(1).permutation(1000)
    np.testing.assert_array_equal(uniforms_of(stream, counter[order], 7), whole[order])
    assert rng.uniform(stream, U8(123), U8(7)) == whole[123]
    with np.errstate(over="ignore"):
        assert not np.intersect1d(whole, uniforms_of(stream, counter, 8)).size
        assert not np.intersect1d(whole, uniforms_of(rng.key(2, "x"), counter, 7)).size


def test_uniform_and_normal_draws_have_their_distributions():
    """Kolmogorov and Smirnov at 4 standard errors (p > 6e-5), moments, and no correlation along uid or tick."""
    n = 200_000
    counter, stream, limit = np.arange(n, dtype=U8), rng.key(5, "test"), 4 / math.sqrt(n)
    for draw, law in ((uniforms_of, "uniform"), (normals_of, "norm")):
        x, later = draw(stream, counter, 3), draw(stream, counter, 4)
        assert stats.kstest(x, law).pvalue > 6e-5
        assert abs(np.corrcoef(x[1:], x[:-1])[0, 1]) < limit and abs(np.corrcoef(x, later)[0, 1]) < limit
        assert abs(np.corrcoef(x**2, later**2)[0, 1]) < limit
    u, z = uniforms_of(stream, counter, 3), normals_of(stream, counter, 3)
    assert 0 < u.min() and u.max() < 1
    assert abs(z.mean()) < limit and abs(z.var() - 1) < math.sqrt(2) * limit and abs((z**4).mean() - 3) < 10 * limit


# ---------------------------------------------------------------- the door to the compiler


@jit.hook
def add_to(record, a, b, c, d, t):
    """Writes its arguments to the place that `record` names."""
    out = jit.view_f8(record, 5)
    out[0] += a
    out[1], out[2], out[3], out[4] = b, c, d, t


@jit.kernel
def call(function, record, times):
    for k in range(times):
        jit.call_hook(function, record, k, 2, 3, 4, 0.5)


def test_a_hook_is_called_through_its_number():
    out = np.zeros(5)
    call(jit.address_of_hook(add_to), jit.address(out), 4)
    assert out.tolist() == [6.0, 2.0, 3.0, 4.0, 0.5]


@jit.kernel
def double(f8, f4, i8, u8, u4, u2, n):
    """Doubles what lies at six addresses."""
    for k in range(n):
        jit.view_f8(f8, n)[k] *= 2
        jit.view_f4(f4, n)[k] *= np.float32(2)
        jit.view_i8(i8, n)[k] *= 2
        jit.view_u8(u8, n)[k] *= np.uint64(2)
        jit.view_u4(u4, n)[k] *= np.uint32(2)
        jit.view_u2(u2, n)[k] *= np.uint16(2)


def test_views_are_the_memory_itself():
    arrays = [np.arange(5).astype(t) for t in ("f8", "f4", "i8", "u8", "u4", "u2")]
    double(*(jit.address(a) for a in arrays), 5)
    for a in arrays:
        assert a.tolist() == [0, 2, 4, 6, 8]


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of three files in place of neurodev, where `a` imports `b` and `c` stands alone."""
    root = tmp_path / "neurodev"
    root.mkdir()
    for name, text in (("jit", ""), ("a", "from neurodev.b import f\n"), ("b", "def f(): ...\n"), ("c", "x = 1\n")):
        (root / f"{name}.py").write_text(text)
    monkeypatch.setattr(kernel_cache, "PACKAGE", root)

    def forget():
        for cached in (kernel_cache._read, kernel_cache._files, kernel_cache.source_hash, kernel_cache.folder_of):
            cached.cache_clear()

    forget()
    yield root, forget
    monkeypatch.undo()
    forget()


def test_compiled_code_never_outlives_a_source_it_uses(package):
    """The cache of a file follows the file and all it imports, and nothing else."""
    root, forget = package

    def hashes():
        forget()
        return {name: kernel_cache.source_hash(root / f"{name}.py") for name in "abc"}

    before = hashes()
    (root / "b.py").write_text("def f(): return 1\n")
    after = hashes()
    assert before["a"] != after["a"] and before["b"] != after["b"] and before["c"] == after["c"]


def test_a_cache_that_cannot_be_written_gives_way(package, tmp_path, monkeypatch):
    """First NEURODEV_CACHE_DIR, and the folder for temporary files where that is no folder."""
    root, forget = package
    monkeypatch.setenv("NEURODEV_CACHE_DIR", str(tmp_path / "own"))
    assert kernel_cache.folder_of(str(root / "a.py")).is_relative_to(tmp_path / "own")
    forget()
    (tmp_path / "file").write_text("")
    (tmp_path / "other").mkdir()
    monkeypatch.setenv("NEURODEV_CACHE_DIR", str(tmp_path / "file"))
    monkeypatch.setattr(kernel_cache.tempfile, "gettempdir", lambda: str(tmp_path / "other"))
    assert kernel_cache.folder_of(str(root / "a.py")).is_relative_to(tmp_path / "other")


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="folders have no owners here")
@pytest.mark.parametrize("level", ["all of it", "one source file"])
def test_a_cache_that_belongs_to_somebody_else_is_left_alone(package, tmp_path, monkeypatch, capsys, level):
    """Code that another user could have put there is not loaded: the folder for temporary files, and one line."""
    root, forget = package
    monkeypatch.setenv("NEURODEV_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "other").mkdir()
    monkeypatch.setattr(kernel_cache.tempfile, "gettempdir", lambda: str(tmp_path / "other"))
    monkeypatch.setattr(kernel_cache, "_said", set())
    source = str(root / "a.py")
    mine = kernel_cache.folder_of(source)
    assert mine.is_relative_to(tmp_path / "cache") and capsys.readouterr().err == ""
    theirs = tmp_path / "cache" / "neurodev" if level == "all of it" else mine
    look = Path.lstat

    def lstat(path):
        about = look(path)
        return os.stat_result((*about[:4], os.getuid() + 1, *about[5:])) if path == theirs else about

    monkeypatch.setattr(Path, "lstat", lstat)
    forget()
    assert kernel_cache.folder_of(source).is_relative_to(tmp_path / "other")
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1 and f"{theirs.name} belongs to another user" in said[0]
