"""What a plan or a table is given: lists of whole numbers that exist, finite weights; all else is refused by name."""

import numpy as np
import pytest

from neurodev.errors import ParameterError
from neurodev.structure.dense import DenseTable
from neurodev.structure.plan import NeuronPlan, Plan, apply, merge, merge_neurons
from neurodev.structure.table import Table

MASK = np.array([True, False, True, False])


def sparse():
    table = Table.build(4, 5, [1.0, 2.0], [0, 0, 1, 3], [1, 2, 4, 0], [0, 0, 1, 0], 1.0, columns=("a",))
    table.ensure_in_lists()
    return table


def dense():
    return DenseTable.of(sparse())


def one_birth(**more):
    return {"source": [2], "target": [3], "lane": [0]} | more


SENSELESS = {
    "deaths of a mask": ({"deaths": MASK}, "deaths must be a list of whole numbers, got bool.*flatnonzero"),
    "deaths of floats": ({"deaths": [0.0, 1.0]}, "deaths must be a list of whole numbers, got float64"),
    "deaths of words": ({"deaths": ["0"]}, "deaths must be a list"),
    "deaths of tables": ({"deaths": [[0, 1]]}, r"deaths must be .* shape \(1, 2\)"),
    "deaths of tables of unequal rows": ({"deaths": [[0], [1, 2]]}, "deaths must be a list"),
    "deaths below": ({"deaths": [-1]}, "deaths must lie in"),
    "deaths beyond": ({"deaths": [10**12]}, "deaths must lie in"),
    "deaths of nobody": ({"deaths": None}, "deaths must be a list"),
    "causes of floats": ({"deaths": "first", "death_cause": [1.0]}, "death_cause must be a list of whole"),
    "causes beyond a byte": ({"deaths": "first", "death_cause": [257]}, r"death_cause must lie in \[0, 256\)"),
    "causes of others": ({"deaths": "first", "death_cause": [1, 2]}, "death_cause needs one value for each of 1"),
    "values of words": ({"deaths": "first", "death_value": ["a"]}, "death_value must be a list of numbers"),
    "values of others": ({"deaths": "first", "death_value": [1.0, 2.0]}, "death_value needs one value"),
    "terms of others": ({"deaths": "first", "terms": {"x": [1.0, 2.0]}}, "term 'x' needs one value"),
    "terms of words": ({"deaths": "first", "terms": {"x": ["a"]}}, "term 'x' must be a list of numbers"),
    "births of floats": (one_birth(source=[2.9]), "source must be a list of whole numbers"),
    "births onto a mask": (one_birth(target=[True]), "target must be a list of whole numbers"),
    "births from beyond": (one_birth(source=[4]), r"source must lie in \[0, 4\)"),
    "births on lane 2": (one_birth(lane=[2]), r"lane must lie in \[0, "),
    "births of unequal lists": (one_birth(lane=[0, 0]), "lane needs one value per birth"),
    "birth causes": (one_birth(birth_cause=[-1]), "birth_cause must lie in"),
    "weights of NaN": (one_birth(birth_weight=[np.nan]), "birth_weight must be finite, got nan"),
    "weights without end": (one_birth(birth_weight=[np.inf]), "birth_weight must be finite, got inf"),
    "weights of others": (one_birth(birth_weight=[1.0, 2.0]), "birth_weight needs one value"),
    "no weights": (one_birth(birth_weight=[]), "birth_weight needs one value per birth, or None"),
    "weights of words": (one_birth(birth_weight=["1"]), "birth_weight must be a list of numbers"),
}  # fmt: skip


@pytest.mark.parametrize("make", [sparse, dense])
@pytest.mark.parametrize("case", SENSELESS)
def test_senseless_plans_are_refused_and_nothing_is_done(case, make):
    given, why = SENSELESS[case]
    table = make()
    given = {k: table.slots()[:1] if isinstance(v, str) and v == "first" else v for k, v in given.items()}
    before = {k: v.copy() for k, v in table.arrays().items()}
    with pytest.raises(ParameterError, match=f"plan of Somebody: .*{why}"):
        merge([Plan("Fine", table.slots()[:1]), Plan("Somebody", **given)], table, single_contact=True)
    for name, a in table.arrays().items():
        assert a.tobytes() == before[name].tobytes(), name


@pytest.mark.parametrize("make", [sparse, dense])
def test_a_slot_that_holds_no_synapse_cannot_die(make):
    """Never used, slack of a row, or died before: each would unlink somebody else."""
    table = make()
    living = set(table.slots().tolist())
    empty = [s for s in range(table.capacity) if s not in living]
    assert len(empty) > 5 and not table.is_live(np.array(empty)).any() and table.is_live(table.slots()).all()
    for s in empty:
        with pytest.raises(ParameterError, match=f"deaths must be slots of living synapses, .* slot {s} first"):
            merge([Plan("x", [s])], table, single_contact=True)
    last = table.slots()[-1]
    apply(table, merge([Plan("x", [last])], table, single_contact=True), tick=0, life=0.0)
    with pytest.raises(ParameterError, match="living"):
        merge([Plan("x", [last])], table, single_contact=True)


@pytest.mark.parametrize("make", [sparse, dense])
def test_a_weight_of_zero_is_a_weight(make):
    """Given or not is told by a field: zeros are kept, and plans with and without weights mix."""
    table = make()
    a = Plan("a", source=[2, 2], target=[1, 2], lane=[0, 0], birth_weight=[0.0, 0.7])
    b = Plan("b", source=[2], target=[4], lane=[0])
    c = Plan("c", source=[2, 2], target=[1, 3], lane=[0, 0], birth_weight=[9.0, -0.1])  # one pair is taken
    merged = merge([a, b, c], table, single_contact=True)
    assert merged.weighed.tolist() == [True, True, False, True] and merged.refused == {"duplicate": 1}
    assert merged.plan.birth_weight.tolist() == [0.0, 0.7, 0.0, -0.1]
    done = apply(table, merged, tick=0, life=0.0)
    assert table.weight[done.slots].tolist() == [0.0, 0.7, 0.0, -0.1]  # 0.7 to the last digit: float64


def test_neurons_are_listed_by_whole_numbers():
    alive, unborn = np.ones(4, bool), np.zeros(4, bool)
    for given, why in (
        ({"deaths": MASK}, "deaths of neurons must be a list of whole numbers, got bool"),
        ({"deaths": [1.5]}, "whole numbers"), ({"deaths": [4]}, r"must lie in \[0, 4\)"),
        ({"deaths": [1], "death_cause": [1, 2]}, "death_cause"), ({"n_born": -1}, "n_born"),
        ({"n_born": 1.5}, "n_born"), ({"n_born": True}, "n_born"),
    ):  # fmt: skip
        with pytest.raises(ParameterError, match=f"plan of x: .*{why}"):
            merge_neurons([NeuronPlan("x", **given)], alive, unborn)
    assert merge_neurons([NeuronPlan("x", [2, 2])], alive, unborn).died.tolist() == [2]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"source": [0.5]}, "source indices must be a list of whole numbers"),
        ({"source": [True]}, "source indices must be a list"),
        ({"target": ["1"]}, "target indices must be a list"),
        ({"lane": [1]}, r"lane indices must lie in \[0, 1\)"),
        ({"lane": [0, 0]}, "lane must have shape"),
        ({"weight": [1.0, 2.0]}, "weight must be a number or one number for each of 1"),
        ({"weight": "1"}, "weight must be a number"),
        ({"weight": 1e39, "weight_type": np.float32}, "finite in float32"),
        ({"n_source": 2**32}, "n_source .* 32 bits"),
        ({"n_target": 2**32}, "n_target .* 32 bits"),
        ({"n_source": -1}, "n_source"),
    ],
)
def test_senseless_tables_are_refused(change, why):
    given = {"n_source": 2, "n_target": 2, "delays": [1.0], "source": [0], "target": [1], "lane": [0], "weight": 1.0}
    with pytest.raises(ParameterError, match=why):
        Table.build(**given | change)


def test_more_slots_than_32_bits_can_number_are_refused_before_they_are_allocated():
    with pytest.raises(ParameterError, match="at most 4294967295 slots.*split"):
        sparse()._allocate_slots(2**32)
