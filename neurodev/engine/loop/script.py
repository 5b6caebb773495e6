"""What stimuli give: inputs at times of their own, and changes of the drive of neurons.

An entry names each of its neurons once, so that it needs no more room for spikes and crossings than a row of synapses.
"""

from __future__ import annotations

import numpy as np

from neurodev.arrays import Int
from neurodev.engine.loop.lists import add_up, has_background, reached
from neurodev.engine.loop.pieces import piece
from neurodev.engine.loop.spiking import fire, over, predict, predict_model, reset_at
from neurodev.engine.loop.state import N_BACKGROUND, N_SCRIPT_AT, N_SUPRA, REFRACTORY, T_FRAME, Piece
from neurodev.engine.loop.views import clock_of, lists_of, models_of, neurons_of, script_of
from neurodev.jit import call_rule, rule
from neurodev.neurons.rules import kinds_of, model_of


@rule
def jump(s: int, j: Int, weight: float, t: float) -> None:
    """An input to neuron `j`, whose membrane the loop computes: a row of one synapse."""
    nn = neurons_of(s)
    c = nn.kind[j]
    S = np.exp((t - clock_of(s).time[T_FRAME]) * nn.rate[c])
    u = nn.u[j] + weight * S
    nn.u[j] = u
    if u >= reached(nn.threshold[c], nn.reset[c], S) and u > REFRACTORY and over(s, j, t):
        reset_at(s, j, t, False)
        fire(s, j, t)
    if clock_of(s).n[N_SUPRA] == 1:
        predict(s, j, t)


@rule
def turn(s: int, j: Int, kind: Int, own_kind: Int, shift: float, t: float) -> None:
    """Neuron `j` is of another class from now on, whose V_inf is `shift` mV higher; its potential does not jump."""
    nn, mo, o = neurons_of(s), models_of(s), lists_of(s)
    p = nn.population[j]
    ruled = mo.predict[p] != 0
    i = j - nn.first[p]
    if ruled:
        r = model_of(mo.record[p])
        if r.receive != 0:  # an input of nothing brings it here as what it was
            call_rule(r.receive, mo.record[p], i, -1, -1, 0.0, t)
    nn.u[j] -= shift * np.exp((t - clock_of(s).time[T_FRAME]) * nn.rate[nn.kind[j]])
    nn.kind[j] = np.uint32(kind)
    if ruled:
        kinds_of(mo.record[p])[i] = np.uint32(own_kind)
        predict_model(s, j, t)
        return
    if has_background(s, j) and o.of[j] > 0:
        add_up(s, np.int64(o.of[j]) - np.int64(1), j)
    predict(s, j, t)


@piece(Piece.GIVE)
def give(s: int) -> None:
    """The next entry of the script happens."""
    sc, n, nn, mo = script_of(s), clock_of(s).n, neurons_of(s), models_of(s)
    k = n[N_SCRIPT_AT]
    n[N_SCRIPT_AT] = k + 1
    t, first, last, change = sc.time[k], sc.first[k], sc.last[k], sc.change[k]
    if change >= 0:
        for e in range(first, last):
            q = change + e - first
            turn(s, np.int64(sc.neuron[e]), np.int64(sc.kind[q]), np.int64(sc.own_kind[q]), sc.shift[q], t)
        return
    n[N_BACKGROUND] += last - first
    for e in range(first, last):
        j = np.int64(sc.neuron[e])
        p = nn.population[j]
        if mo.kick[p] != 0:
            call_rule(mo.kick[p], mo.record[p], j - nn.first[p], 0, 0, sc.amount[k], t)
        else:
            jump(s, j, sc.amount[k], t)
