"""What becomes of synapses: plans merged, carried out and logged, newborns begun, weights read off sizes.

Where ranks have a share of the synapses each (`engine.splitting`), every rank does this for its own and all of them
know the whole of it (`engine.shared_plans`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev.engine import build, fate
from neurodev.engine.checks import check_given, usual_weight
from neurodev.engine.engine import Engine
from neurodev.engine.network import Network, Population, Projection
from neurodev.engine.order import acting
from neurodev.engine.ranks import Ranks
from neurodev.engine.shared_plans import carry_out
from neurodev.engine.splitting import named, verify_share
from neurodev.errors import InvariantError, SimulationError
from neurodev.mechanisms.base import Mechanism, NeuronBlock, SynapseView
from neurodev.structure import weight as weight_map
from neurodev.structure.cause import Causes
from neurodev.structure.log import BIRTH, DEATH, Moments, StructuralLog
from neurodev.structure.plan import Applied, Merged, Plan, apply, merge
from neurodev.structure.table import Table
from neurodev.structure.verify import verify

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]


class Structural:
    """The half of a simulator that changes synapses; `Simulator` says what its attributes are."""

    network: Network
    engine: Engine
    ranks: Ranks | None
    projections: list[Projection]
    tables: dict[str, Table]
    views: dict[str, SynapseView]
    blocks: dict[str, NeuronBlock]
    used: dict[str, tuple[Mechanism, ...]]
    blocked: set[tuple[str, str]]
    logs: dict[str, StructuralLog]
    moments: dict[str, Moments]
    causes: Causes
    integrated: dict[str, bool]
    n_tick: int
    _unprepared: set[tuple[str, str]]
    _ticking: bool

    @property
    def life(self) -> float:
        """Life time, ms."""
        raise NotImplementedError

    def _prepared(self, where: str, m: Mechanism) -> bool:
        return (where, m.name) not in self._unprepared

    def _active(self, where: str) -> list[Mechanism]:
        return acting([m for m in self.used[where] if (where, m.name) not in self.blocked])

    # ------------------------------------------------------------------ shares of ranks

    def n_synapse(self, projection: str) -> int:
        """Living synapses of a projection, those of other ranks included."""
        return self.engine.split.get(projection, self.tables[projection].n_synapse)

    def check_whole(self, projection: str, what: str = "nothing can be done to its synapses") -> None:
        """Refuse what needs all synapses of a projection, where a rank has only those onto its own neurons.

        Raises
        ------
        SimulationError
            With the cure.
        """
        if projection in self.engine.split:
            raise SimulationError(f"{projection!r} is split over ranks, and {what}: run it without split (--split)")

    def check_mortal(self, p: Population) -> None:
        """Refuse to let neurons die where a rank's share of their synapses was laid out for neurons that do not.

        Raises
        ------
        SimulationError
            With the cure.
        """
        for q in self.projections:
            if p in (q.source, q.target) and not named(q):
                self.check_whole(q.name)

    def ask(self, q: Projection, m: Mechanism, phase: str) -> Any:
        """What a mechanism of a projection answers in a phase; what it wrote of targets is then told to all ranks."""
        found = asked(m, phase, self.views[q.name])
        self._tell(q, m)
        return found

    def _tell(self, q: Projection, m: Mechanism) -> None:
        """Bring together the signals that a mechanism counts from the synapses onto each target."""
        if self.ranks is None or q.name not in self.engine.split:
            return
        block, columns = self.blocks[q.target.name], self.tables[q.name].column_names
        for name in (*m.owns, *m.adds):
            if name in block and name not in columns:
                self.ranks.meet()
                self.ranks.share(block[name], self.engine.n_part)

    def _all_or_none(self, failed: SimulationError | InvariantError | None) -> None:
        """What one rank found wrong with its share stops all of them."""
        if self.ranks is not None and self.engine.split:
            self.ranks.all_or_none(failed)
        elif failed is not None:
            raise failed

    def verify(self) -> None:
        """Check every invariant of every table, and that the dead and the unborn are silent and unreachable.

        Raises
        ------
        InvariantError
            Naming the first thing that does not hold.
        """
        self.engine.together()
        failed: InvariantError | None = None
        for q in self.projections:
            try:
                verify(self.tables[q.name], self.blocks[q.source.name].alive, self.blocks[q.target.name].alive)
                build.verify_branches(q, self.tables[q.name])
                verify_share(self.tables[q.name], self.views[q.name].own)
            except InvariantError as e:
                failed = failed or InvariantError(f"projection {q.name!r}: {e}")
        self._all_or_none(failed)
        if self.ranks is not None:
            for name, n in self.engine.split.items():
                if self.ranks.meet(self.tables[name].n_synapse).sum() != n:
                    raise InvariantError(f"projection {name!r}: the shares of the ranks are not {n} synapses together")
        fate.verify(self.engine)

    # ------------------------------------------------------------------ synapses

    def apply_plans(self, q: Projection, plans: Sequence[Plan]) -> Applied:
        """Merge and apply plans on a projection now, log them, and start the newborns off."""
        if plans and not self._ticking:  # of a share each rank would ask for something else
            self.check_whole(q.name)
        return self._carry_out(q, plans)

    def _carry_out(self, q: Projection, plans: Sequence[Plan]) -> Applied:
        """The same; where ranks have shares, all of them bring as many plans, in the same order."""
        self.engine.together()
        table, view, split = self.tables[q.name], self.views[q.name], q.name in self.engine.split
        for plan in plans:
            plan.check(table)
            self.causes.check(plan.mechanism, plan.death_cause, plan.deaths.size)
            self.causes.check(plan.mechanism, plan.birth_cause, plan.source.size)
            if view.own is not None:
                plan.only(view.own)
        send = view.source.ready("axon_from", self.life)
        receive = view.target.ready("synapses_from", self.life)
        merged = merge(plans, table, single_contact=not q.multapses, send=send, receive=receive)
        merged.plan.order_deaths(table.uid)
        sizes = self._begin_newborns(q, merged) if merged.plan.source.size else np.zeros(0)
        dead = table.uid_of(merged.plan.deaths)
        at: dict[str, Any] = {"tick": self.n_tick, "life": self.life, "log": self.logs[q.name]}
        if split and self.ranks is not None:
            done, dead = carry_out(self.ranks, table, merged, **at)
            self.engine.split[q.name] += done.n_born - done.n_died
        else:
            done = apply(table, merged, **at)
        if not self._ticking:  # an experimenter acts between ticks
            self.moments[q.name].note(dead, DEATH, self.life)
            self.moments[q.name].note(np.arange(done.first_uid, done.first_uid + done.n_born), BIRTH, self.life)
        if done.n_born:
            self._start_off(q, done.slots, sizes, merged)
            index = list(self.network.projections).index(q.name)
            self.engine.mark_births(index, done.first_uid)
        if done.n_born or done.n_died:
            self.engine.refresh_addresses()
        return done

    def _start_off(self, q: Projection, slots: I8, sizes: F8, merged: Merged) -> None:
        """Let newborns have their places, and what mechanisms give them; on this rank there may be none."""
        table = self.tables[q.name]
        if slots.size and "size" in table.column_names:
            table.column("size")[slots] = sizes
        if slots.size:
            build.put_on_branches(self.network, q, table, slots)
        for m in acting(self.used[q.name]):
            # a blocked mechanism still gives newborns their values in columns of its own
            if self._prepared(q.name, m) and (m.owns or (q.name, m.name) not in self.blocked):
                if slots.size:
                    asked(m, "born", self.views[q.name], slots)
                self._tell(q, m)
        if "log_size" in table.column_names and merged.weighed.any():
            given = merged.weighed
            view = self.views[q.name]
            table.column("log_size")[slots[given]] = np.log(sizes[given] / view.reference_volume)

    def _begin_newborns(self, q: Projection, merged: Merged) -> F8:
        """Give newborns their weights and the sizes (n_born,) behind them; the log is told the size.

        A weight that was given is kept; where weights are read off sizes, the size is the one whose weight it is
        (before a stage or an early phase takes or adds its share).
        """
        plan, given, table, view = merged.plan, merged.weighed, self.tables[q.name], self.views[q.name]
        columns = frozenset(table.column_names)
        sizes = np.full(plan.source.size, view.reference_volume)
        if given.any():
            check_given(q, plan.birth_weight[given], columns)
        if q.spines is None or self.integrated[q.name]:
            if not given.all():  # newborns begin as the first synapses did
                plan.birth_weight = np.where(given, plan.birth_weight, usual_weight(q))
        elif given.any():
            block = self.blocks[q.target.name]
            factor = np.exp(block["scaling"])[plan.target] if "scaling" in block else np.ones(given.size)
            sizes[given] = weight_map.size_of(
                plan.birth_weight[given], view.weight_gain, view.silent_volume, factor[given]
            )
        if "log_size" in columns:
            newborn = [m for m in self.used[q.name] if "log_size" in m.owns]
            usual = newborn[0].birth_size()
            plan.birth_value = np.where(given, np.log(sizes / view.reference_volume), usual).astype(np.float32)
        return sizes

    def refresh_weights(self, q: Projection, some: I8 | None = None) -> None:
        """Read the weights of a projection with spines off their sizes, unless a mechanism integrates them.

        Of all living synapses, or of those in the slots `some`: between ticks only newborns need it.
        """
        if q.spines is None:
            return
        table, view, block = self.tables[q.name], self.views[q.name], self.blocks[q.target.name]
        gain = np.exp(block["scaling"]) if "scaling" in block else np.ones(q.target.n)
        slots = table.slots() if some is None else some
        if "log_size" in table.column_names:
            weight_map.refresh(
                slots, table.column("log_size"), table.column("size"), table.weight, table.post,
                view.reference_volume, view.weight_gain, view.silent_volume, gain,
                weight_map.transmission(table, slots),
            )  # fmt: skip
        elif not self.integrated[q.name]:
            weight_map.refresh_from_size(
                slots, table.column("size"), table.weight, table.post, view.weight_gain, view.silent_volume, gain
            )


def asked(m: Mechanism, phase: str, view: Any, *more: Any) -> Any:
    """What a mechanism answers in a phase of a tick; what it raises says whose it is and when."""
    try:
        return getattr(m, phase)(view, *more)
    except Exception as e:
        e.add_note(f"in {m.name}.{phase} on {view.name!r}, tick {view.clock.tick}, {view.clock.life:g} ms of life")
        raise
