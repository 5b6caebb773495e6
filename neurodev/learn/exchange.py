"""Graphs of NIR, the format that other simulators read: asked by name, as formats stand above this room."""

from __future__ import annotations

from typing import Any

from neurodev.registry import find


def to_nir(model: Any, *, dt: float = 1e-4, surrogates: bool = True) -> Any:
    """A model as a NIR graph, which snnTorch, Norse and others read; needs ``pip install 'neurodev[nir]'``.

    Parameters
    ----------
    model : Sequential
        Built, of Linear, Conv2d, BatchNorm (folded into the weights before it), AveragePool2d, Flatten, Vote, Dropout
        (left out), LIF, IF, PLIF (with its leak as it was learned), LI, and Residual of them: its two ways meet at the
        next node, which hears their sum.
    dt : float, s
        Length of a step, which NIR does not say and time constants follow from: snnTorch takes 1e-4, Norse what
        ``from_nir(graph, dt=)`` is given.
    surrogates : bool
        Whether surrogates, which NIR has no words for, go along as metadata, by which `from_nir` brings them back; one
        of your own is refused then.

    Returns
    -------
    nir.NIRGraph
        Of images, channels come first.

    Raises
    ------
    ParameterError
        Naming the layer that NIR cannot say, and why.

    Examples
    --------
    >>> graph = nd.learn.to_nir(model)  # doctest: +SKIP
    """
    return find("format", "NIR")(dt=dt, surrogates=surrogates).graph(model)


def from_nir(graph: Any, *, dt: float = 1e-4) -> Any:
    """A model of a NIR graph: linear maps, convolutions, pools and LIF, IF, LI, CubaLIF or CubaLI neurons in a chain.

    Two ways may part and meet again, which is a `Residual`.  A synaptic current is an `LI` before its `LIF`, and acts
    in its own step, as in snnTorch's ``Synaptic``.  A pool of sums becomes one of means, of which the weights behind it
    (or before it) are larger by its number of places.

    Parameters
    ----------
    graph : nir.NIRGraph
    dt : float, s
        Length of a step.

    Returns
    -------
    Sequential
        Its inputs are those of the graph, images with channels last.

    Raises
    ------
    ParameterError
        Naming the node that has no counterpart here, and why.

    Examples
    --------
    >>> model = nd.learn.from_nir(nd.learn.to_nir(model))  # doctest: +SKIP
    """
    return find("format", "NIR")(dt=dt).model(graph)
