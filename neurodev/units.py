"""The whole unit system: floats that convert to neurodev's fixed units.

Time is in ms, voltage in mV, current in pA, capacitance in pF, length in um, areas and volumes in um2 and um3,
rates in Hz where a name ends in ``_hz``.  ``30 * day`` is therefore simply a number of milliseconds.
"""

import math

ms = 1.0
second = 1000.0 * ms
minute = 60.0 * second
hour = 60.0 * minute
day = 24.0 * hour
us = 1e-3 * ms

mV = 1.0
volt = 1000.0 * mV

um = 1.0
mm = 1000.0 * um
um2 = 1.0
um3 = 1.0

pA = 1.0
nA = 1000.0 * pA
pF = 1.0
nS = 1.0
Hz = 1.0


def slack(time: float) -> float:
    """Two times (ms) near `time` that differ by less are one: a nanosecond, far from zero a few roundings."""
    return max(1e-9, 8.0 * math.ulp(time))
