"""Where a link is missing between two layers: the Cannistraci-Hebb automaton on paths of length three (CH3-L3).

A tensor of weights is a bipartite graph.  For a source s and a target t without a synapse, every path

    s - b - a - t        b another target of s, a another source of t, and a synapse from a to b

speaks for one.  The b and a on such paths are the *local community* of the pair.  A path counts the more the fewer
synapses lead out of it, with the external degree e of a node: synapses neither to the community nor to s or t,

    score(s, t) = sum over paths of 1 / sqrt((1 + e_b) (1 + e_a))

No gradient and no weight enters.  Sources: Muscoloni, Abdelhamid & Cannistraci 2018 (bioRxiv 346916), Zhang et al.
2024 (ICLR), and the public code of Cannistraci-Hebb training (biomedical-cybernetics), by which node and path counts
are read as above.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev.arrays import F8, I8
from neurodev.errors import ParameterError, shown
from neurodev.jit import kernel

Flags = NDArray[np.bool_]


@kernel
def _ch3_l3(
    alive: Flags, of_source: I8, targets: I8, of_target: I8, sources: I8, shared: NDArray[np.float32], score: F8
) -> None:
    """Add up all paths, source by source.

    alive, score : (n_source, n_target);  shared : (n_target, n_target), sources that two targets have in common
    targets of source s : targets[of_source[s]:of_source[s + 1]];  sources of a target likewise
    """
    n_source, n_target = alive.shape
    common = np.zeros(n_source, dtype=np.int64)  # targets that a source has in common with s
    for s in range(n_source):
        common[:] = 0
        for k in range(of_source[s], of_source[s + 1]):
            b = targets[k]
            for m in range(of_target[b], of_target[b + 1]):
                common[sources[m]] += 1
        for k in range(of_source[s], of_source[s + 1]):
            b = targets[k]
            degree_b = of_target[b + 1] - of_target[b]
            for m in range(of_target[b], of_target[b + 1]):
                a = sources[m]
                outside_a = of_source[a + 1] - of_source[a] - common[a]  # 1 + e_a: its link to t is no external one
                for q in range(of_source[a], of_source[a + 1]):
                    t = targets[q]
                    if not alive[s, t]:
                        outside_b = degree_b - shared[b, t]  # 1 + e_b
                        score[s, t] += 1.0 / np.sqrt(outside_a * outside_b)


def ch3_l3(alive: NDArray[Any]) -> F8:
    """CH3-L3 of every missing pair; 0 of pairs that have a synapse, and of those that no path joins.

    Parameters
    ----------
    alive : (n_source, n_target) bool

    Returns
    -------
    (n_source, n_target) float64

    Raises
    ------
    ParameterError
        If it is no table of flags.

    Examples
    --------
    One path joins source 0 with target 1, over target 0 and source 1, and no synapse leads out of it:

    >>> import numpy as np
    >>> ch3_l3(np.array([[True, False], [True, True]]))
    array([[0., 1.],
           [0., 0.]])
    """
    flags = np.asarray(alive)
    if flags.ndim != 2 or flags.dtype != bool:
        raise ParameterError(f"alive must be True or False for each pair, (n_source, n_target), got {shown(alive)}")
    if flags.shape[1] > flags.shape[0]:  # the score is the same both ways; what is kept is the square of the second
        return np.ascontiguousarray(ch3_l3(np.ascontiguousarray(flags.T)).T)
    source, target = np.nonzero(flags)
    of_source = np.concatenate([[0], np.cumsum(flags.sum(axis=1))]).astype(np.int64)
    of_target = np.concatenate([[0], np.cumsum(flags.sum(axis=0))]).astype(np.int64)
    by_target = source[np.argsort(target, kind="stable")]
    image = flags.astype(np.float32)
    score = np.zeros(flags.shape)
    _ch3_l3(
        np.ascontiguousarray(flags), of_source, target.astype(np.int64), of_target, by_target.astype(np.int64),
        image.T @ image, score,
    )  # fmt: skip
    return score


def removal_score(weight: NDArray[Any], mix: float) -> F8:
    """Worth of every synapse by its strength, (n_source, n_target): ``mix`` of itself, the rest of its share.

    The strength is |weight| over the largest; the share is |weight| over the sum of its source's plus over that of its
    target's (relative importance, public code of Cannistraci-Hebb training), over the largest: a weak synapse is
    kept that is most of what its neuron has.
    """
    size = np.abs(np.asarray(weight, dtype=np.float64))
    of = lambda axis: np.maximum(size.sum(axis=axis, keepdims=True), np.finfo(float).tiny)
    share = size / of(0) + size / of(1)
    largest = lambda a: max(float(a.max(initial=0.0)), np.finfo(float).tiny)
    return np.asarray(mix * size / largest(size) + (1 - mix) * share / largest(share))


def idle(below: Flags, above: Flags) -> Flags:
    """Units of the layer between two tensors that have an input without an output, or an output without an input."""
    return np.asarray(below.any(axis=0) != above.any(axis=1))
