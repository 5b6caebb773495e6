"""How a neuron spikes: the log, the record, the reset, the release, and the crossings that are predicted.

A crossing is predicted where a neuron needs no further arrival for it: background, or V_inf, takes it there.
"""

from __future__ import annotations

import numpy as np

from neurodev.arrays import Int
from neurodev.engine.loop.lists import has_background, moved_to, opened, place_at, reached, still_to_come
from neurodev.engine.loop.pieces import piece
from neurodev.engine.loop.queue import push_crossing, sort_numbers
from neurodev.engine.loop.state import (
    N_BLOCK_OPEN,
    N_FIRED,
    N_FRESH,
    N_MODELS,
    N_RELEASE,
    REFRACTORY,
    SENTINEL,
    T_BLOCK,
    T_FIRED,
    T_FRAME,
    Piece,
)
from neurodev.engine.loop.views import (
    background_of,
    clock_of,
    fresh_of,
    hooks_of,
    lists_of,
    models_of,
    neurons_of,
    projections_of,
    queue_of,
)
from neurodev.jit import call_hook, call_rule, kernel, rule


@rule
def emit(s: int, p: Int, local: Int, t: float) -> None:
    """A neuron of population `p` spikes at `t`: told when the parts are merged, at the end of the window."""
    k = clock_of(s).n[N_FRESH]
    fresh_of(s).time[k] = t
    fresh_of(s).population[k] = np.uint32(p)
    fresh_of(s).index[k] = np.uint32(local)
    clock_of(s).n[N_FRESH] = k + 1


@rule
def expect_post(s: int, j: Int, t: float) -> None:
    """Neuron `j` fired at `t`: its on_post is called by `follow_arrivals`."""
    n, qu = clock_of(s).n, queue_of(s)
    if qu.spikes[j] == 0:
        qu.waiting[n[N_FIRED]] = np.uint32(j)
        n[N_FIRED] += 1
    qu.spikes[j] += np.uint32(1)
    clock_of(s).time[T_FIRED] = t


@kernel
def follow_arrivals(s: int) -> None:
    """Call on_post for the spikes at T_FIRED, now that every arrival of that instant has had its on_pre.

    A spike counts as following the arrivals of its own instant, in whatever order those come and whichever of them it
    was that took the neuron over threshold.  Neurons take turns by their numbers.
    """
    n, qu, nn, h, pr = clock_of(s).n, queue_of(s), neurons_of(s), hooks_of(s), projections_of(s)
    t, m = clock_of(s).time[T_FIRED], n[N_FIRED]
    sort_numbers(qu.waiting, m)
    for i in range(m):
        j = np.int64(qu.waiting[i])
        p = nn.population[j]
        for _ in range(np.int64(qu.spikes[j])):
            for k in range(pr.post_first[p], pr.post_first[p + 1]):
                call_hook(h.post[k], h.post_record[k], j - nn.first[p], 0, 0, 0, t)
        qu.spikes[j] = np.uint32(0)
    n[N_FIRED] = 0


@piece(Piece.FIRE)
def fire(s: int, j: Int, t: float) -> None:
    """Neuron `j`, over threshold at `t`: log and reset; on_post follows the arrivals of this instant."""
    nn = neurons_of(s)
    p = nn.population[j]
    local = j - nn.first[p]
    emit(s, p, local, t)
    if projections_of(s).post_first[p + 1] > projections_of(s).post_first[p]:
        expect_post(s, j, t)
    c = nn.kind[j]
    if nn.refractory[c] > 0.0:
        nn.u[j] = SENTINEL
        i = clock_of(s).n[N_RELEASE]
        queue_of(s).release_time[i] = t + nn.refractory[c]
        queue_of(s).release_index[i] = np.uint32(j)
        clock_of(s).n[N_RELEASE] = i + 1
    elif nn.silenced[p] == 1:
        nn.u[j] = SENTINEL


@rule
def level_of(s: int, c: Int, t: float) -> float:
    """The least that the threshold of class `c` is in the frame between `t` and the end of the block.

    A threshold above V_inf rises in the frame, one below falls.
    """
    nn, f = neurons_of(s), clock_of(s).time
    until = f[T_BLOCK] if nn.threshold[c] < 0.0 else t
    return reached(nn.threshold[c], nn.reset[c], np.exp((until - f[T_FRAME]) * nn.rate[c]))


@rule
def predict(s: int, j: Int, t: float) -> None:
    """After a change of u[j]: note a crossing that falls into the block; one comparison for most neurons."""
    nn = neurons_of(s)
    if nn.u[j] >= level_of(s, np.int64(nn.kind[j]), t) and nn.u[j] > REFRACTORY:
        look(s, j, t)


@rule
def over(s: int, j: Int, t: float) -> bool:
    """Whether neuron `j`, over threshold by all background of the block, is so at `t`; else its crossing is noted."""
    return not has_background(s, j) or over_now(s, j, t)


@piece(Piece.OVER)
def over_now(s: int, j: Int, t: float) -> bool:
    """`over` for a neuron for which background is still to come."""
    nn, g = neurons_of(s), background_of(s)
    i = opened(s, j)
    c = nn.kind[j]
    S = np.exp((t - clock_of(s).time[T_FRAME]) * nn.rate[c])
    k = moved_to(s, i, t)
    if nn.u[j] + g.later[j] - still_to_come(s, i, k) >= reached(nn.threshold[c], nn.reset[c], S):
        return True
    look_on(s, j, i, k, t)
    return False


@rule
def look(s: int, j: Int, t: float) -> None:
    """Note when neuron `j` first crosses after `t` within the block: at an event of its background, or between."""
    if has_background(s, j):
        look_ahead(s, j, t)
        return
    nn, f = neurons_of(s), clock_of(s).time
    c, u = nn.kind[j], nn.u[j]
    theta, rate = nn.threshold[c], nn.rate[c]
    if theta < 0.0 and rate > 0.0 and u >= theta * np.exp((f[T_BLOCK] - f[T_FRAME]) * rate):
        push_crossing(s, crossing_time(s, u, theta, rate, t), j, u)


@piece(Piece.LOOK)
def look_ahead(s: int, j: Int, t: float) -> None:
    """`look` for a neuron for which background is still to come."""
    i = opened(s, j)
    look_on(s, j, i, moved_to(s, i, t), t)


@rule
def look_on(s: int, j: Int, i: Int, k: Int, t: float) -> None:
    """`look` along list `i` from its event `k` on."""
    o, nn, f = lists_of(s), neurons_of(s), clock_of(s).time
    c, u = nn.kind[j], nn.u[j]
    theta, rate, base = nn.threshold[c], nn.rate[c], nn.u[j] + background_of(s).later[j]
    falling = theta < 0.0 and rate > 0.0
    if k < o.last[i] and base < o.need[k]:
        return
    while k < o.last[i]:
        x = base - still_to_come(s, i, k)
        if falling and x >= theta * o.factor[k]:
            push_crossing(s, crossing_time(s, x, theta, rate, t), j, u)
            return
        if base - o.after[k] >= reached(theta, nn.reset[c], o.factor[k]):
            push_crossing(s, o.time[k], j, u)
            return
        k += 1
    if falling and base >= theta * np.exp((f[T_BLOCK] - f[T_FRAME]) * rate):
        push_crossing(s, crossing_time(s, base, theta, rate, t), j, u)


@rule
def crossing_time(s: int, x: float, theta: float, rate: float, t: float) -> float:
    """When the falling threshold meets `x`, not before `t`."""
    return t if x >= 0.0 else max(clock_of(s).time[T_FRAME] + np.log(x / theta) / rate, t)


@kernel
def predict_delta(s: int, first: Int, last: Int, t: float) -> None:
    """`predict` for the neurons first..last, whose potentials were set from outside."""
    if clock_of(s).n[N_BLOCK_OPEN] == 1:
        for j in range(first, last):
            predict(s, j, t)


@kernel
def come_free(s: int, j: Int, t: float) -> None:
    """Neuron `j`, of a model with rules, stands at its reset potential and integrates from `t` on."""
    nn, mo = neurons_of(s), models_of(s)
    p = nn.population[j]
    nn.u[j] = 0.0
    call_rule(mo.reset[p], mo.record[p], j - nn.first[p], 0, 0, 0.0, t)


@kernel
def predict_model(s: int, j: Int, t: float) -> None:
    """Have the model of neuron `j` note its next event."""
    nn, mo = neurons_of(s), models_of(s)
    p = nn.population[j]
    i = j - nn.first[p]
    call_rule(mo.predict[p], mo.record[p], i, i + 1, 0, 0.0, t)


@rule
def release(s: int, j: Int, t: float) -> None:
    """End of refractoriness: V = V_reset."""
    nn = neurons_of(s)
    if nn.silenced[nn.population[j]] == 1:
        return
    c = nn.kind[j]
    if clock_of(s).n[N_MODELS] == 1 and models_of(s).reset[nn.population[j]] != 0:
        come_free(s, j, t)
        predict_model(s, j, t)
        return
    place_at(s, j, nn.reset[c] * np.exp((t - clock_of(s).time[T_FRAME]) * nn.rate[c]), t, False)
    predict(s, j, t)


@rule
def strike(s: int, j: Int, t: float) -> None:
    """Neuron `j` crossed at `t` by background or by itself: fire it."""
    reset_at(s, j, t, True)
    fire(s, j, t)


@rule
def reset_at(s: int, j: Int, t: float, passed: bool) -> None:
    """Neuron `j` fires at `t`: it swallows its input, or stands at reset; `passed`: by an event of its background."""
    nn = neurons_of(s)
    c = nn.kind[j]
    if nn.refractory[c] == 0.0:
        place_at(s, j, nn.reset[c] * np.exp((t - clock_of(s).time[T_FRAME]) * nn.rate[c]), t, passed)
    else:
        nn.u[j] = SENTINEL


@kernel
def strike_model(s: int, j: Int, t: float) -> None:
    """Neuron `j`, of a model with rules, spikes at `t`."""
    nn = neurons_of(s)
    if nn.refractory[nn.kind[j]] == 0.0:
        come_free(s, j, t)
    else:
        nn.u[j] = SENTINEL
    fire(s, j, t)
    predict_model(s, j, t)
