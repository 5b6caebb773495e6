"""Presets with provenance: every number has a source, and runs land in the bands of the literature."""

import numpy as np
import pytest

import neurodev as nd
from neurodev import cli
from neurodev.engine.simulator import Simulator
from neurodev.errors import ParameterError
from neurodev.mechanisms import presets
from neurodev.metrics.turnover import session_changes, session_survival, slow_birth_share
from neurodev.protocols.imaging import image, population
from neurodev.protocols.preset_runs import measure
from neurodev.units import day

CASES = {
    "adult, window": presets.mature_cortex(), "old, window": presets.mature_cortex(age="P175-225"),
    "adult, thinned skull": presets.mature_cortex("thinned skull"),
    "adolescent, window": presets.adolescent_cortex(), "young, window": presets.adolescent_cortex(age="P16-25"),
    "adolescent, thinned skull": presets.adolescent_cortex("thinned skull"),
    "CA1": presets.hippocampus_ca1(), "sizes": presets.sized_cortex(), "primate": presets.primate_cortex(),
    "rodent": presets.rodent_cortex(), "neurogenesis": presets.adult_neurogenesis(),
} | {name: presets.population_death(name) for name in ("pyramidal", "interneuron", "motoneuron")}  # fmt: skip

# closed form of each preset's rates: turnover ratio over 1 and 4 d, survival over 30 and 90 d
TABLE = {
    "young, window": (0.1996, 0.5139, 0.2485, 0.1364), "adolescent, window": (0.1399, 0.3616, 0.4486, 0.3129),
    "adult, window": (0.0937, 0.2559, 0.5752, 0.4525), "old, window": (0.0742, 0.2030, 0.6598, 0.5511),
    "CA1": (0.1199, 0.40, 0.0217, None),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_bands(name):
    """BIO-1, BIO-2, BIO-8, BIO-9, BIO-21, BIO-23, BIO-26: each preset gives what it must."""
    preset = CASES[name]
    got = measure(preset)
    assert preset.bands
    for band in preset.bands:
        assert band.low <= got[band.name] <= band.high, (band, got[band.name])


@pytest.mark.parametrize("name", TABLE)
def test_turnover_ratio_and_survival(name):
    """BIO-7 (4 SE): turnover ratio over 1 and 4 d, survival over 30 and 90 d, of 5000 spines."""
    n, days = 5000, [0.0, 1.0, 4.0, 30.0, 90.0]
    present = np.isfinite(image(population(CASES[name], n, n_target=n // 30, tick=0.5 * day, seed=3), days))
    ratio = [session_changes(present[:, [0, k]]).turnover_ratio[0] for k in (1, 2)]
    survival = session_survival(present)[3:]
    for got, law in zip((*ratio, *survival), TABLE[name], strict=True):
        if law is not None:
            # gains and losses both vary: the ratio has half the variance of each; survival is binomial
            assert abs(got - law) < 4 * np.sqrt(law * (1 - law) / n), (got, law)


def test_one_class_cannot_be_the_adult():
    """BIO-10: a single class that loses 3 % in 14 d loses 69.6 % in 548 d, far outside what was measured."""
    rate = -np.log(0.97) / 14
    world = population((nd.Turnover(early=0.0, late=30 * rate, hazard=rate),), 5000, n_target=167, tick=day, seed=1)
    lost = 1 - session_survival(np.isfinite(image(world, [0.0, 14.0, 548.0])))
    assert lost[1] == pytest.approx(0.03, abs=4 * np.sqrt(0.03 * 0.97 / 5000))
    assert lost[2] == pytest.approx(0.696, abs=4 * np.sqrt(0.696 * 0.304 / 5000))
    band = next(b for b in CASES["adult, thinned skull"].bands if b.name == "lost in 548 d")
    assert not band.low <= lost[2] <= band.high


@pytest.mark.parametrize("name", ["adult, window", "old, window", "adult, thinned skull"])
def test_newborns_rarely_last(name):
    """BIO-11: fewer than a tenth of newborns live 30 d.  BIO-12: the old survive the next 8 d better than newborns."""
    world = population(CASES[name], 20000, n_target=667, tick=day, seed=2)
    x = np.isfinite(image(world, [0.0, 1.0, 9.0, 31.0, 39.0]))
    newborn, old = x[:, 1] & ~x[:, 0], x[:, 0] & x[:, 3]
    assert newborn.sum() > 100 and x[newborn, 3].mean() < 0.10
    assert x[old, 4].mean() > x[newborn, 2].mean() + 0.2


def test_classes():
    """The class of a newborn follows p = f d1 / (f d1 + (1 - f) d2), also among those that a tick lets through."""
    m = nd.Persistence()
    assert slow_birth_share(m.standing, m.hazard, m.transient_hazard) == pytest.approx(m.share)
    assert m.standing == pytest.approx(0.6485, abs=2e-4) and m.number == pytest.approx(10, rel=5e-3)
    for tick in (0.25, 5.0):
        world = population((nd.Persistence(late=3.0, share=0.4, hazard=0.0, transient_hazard=0.3),), 0, n_target=500,
                           tick=tick * day, seed=4)  # fmt: skip
        world.step(round(10 / tick))
        lasting = world.of("persistent").sum()
        for got, law in ((lasting, 500 * 3 * 0.4 * 10), (world.table.n_synapse - lasting, 500 * 6 * (1 - np.exp(-3)))):
            assert abs(got - law) < 4 * np.sqrt(law)
    with pytest.raises(ParameterError, match="transient_hazard"):
        nd.Persistence(hazard=0.4)
    assert nd.Persistence(share=1.0).standing == 1.0 and np.isinf(nd.Persistence(hazard=0.0).number)


def test_every_number_has_a_source():
    for preset in CASES.values():
        names = {f"{m.name}.{k}" for m in preset for k in m.describe()}
        assert preset.sources and set(preset.sources) <= names and all(preset.sources.values())
        assert all(b.source and b.low < b.high for b in preset.bands)
        text = str(preset)
        assert all(s in text for s in preset.sources.values())
    assert len(presets.sized_cortex()) == 1


def test_wrong_words_are_refused():
    with pytest.raises(ParameterError, match="window must be one of"):
        presets.mature_cortex("thined skull")
    with pytest.raises(ParameterError, match="age must be one of"):
        presets.mature_cortex(age="P30")
    with pytest.raises(ParameterError, match="population must be one of"):
        presets.population_death("granule")
    for wrong in (presets.mature_cortex, presets.hippocampus_ca1):
        with pytest.raises(ParameterError, match="spines"):
            wrong(spines=0)
    with pytest.raises(ParameterError, match="peak_day"):
        presets.primate_cortex(peak_day=0)


def test_a_preset_runs_in_a_network():
    """``projection.use(*preset)``: the number of spines stays near what was asked."""
    net = nd.Network(seed=1)
    a, b = net.add(nd.Poisson(rate_hz=0.1), 60, name="a"), net.add(nd.LIF(), 40, name="b")
    q = net.connect(a, b, nd.Degree(30), spines=nd.Spines(weight=1.0), name="q")
    q.use(*presets.mature_cortex(), nd.SpineSize(death="none"))
    sim = Simulator(net, tick=2 * nd.units.hour, acceleration=43200.0)
    sim.run_until_spike(20 * day / 43200)
    assert 25 < sim.tables["q"].n_synapse / 40 < 35


def test_shown(capsys, tmp_path):
    """``neurodev show`` lists presets, and shows one with its sources and bands."""
    assert cli.main(["show"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in presets.PRESETS)
    picture = tmp_path / "p.png"
    words = ["show", "mature_cortex", "--set", "window=thinned skull", "--plot", str(picture)]
    assert cli.main(words) == 0
    out = capsys.readouterr().out
    assert "Zuo 2005" in out and "lost in 548 d" in out and "agrees" in out and "DEVIATES" not in out
    assert picture.read_bytes()[:4] == b"\x89PNG"
    assert cli.main(["show", "mature_cortex", "--set", "windw=cranial"]) == 2
    assert "window" in capsys.readouterr().err
