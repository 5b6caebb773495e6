"""Short names for the arrays in signatures, kernels above all; a shape stands in the docstring.

`Array` holds floats of the type of the model, float32 or float64: a kernel is compiled for each.  `Int` is a whole
number, Python's or NumPy's (an element of an array of indices).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
F4 = NDArray[np.float32]
F8 = NDArray[np.float64]
I4 = NDArray[np.int32]
I8 = NDArray[np.int64]
U1 = NDArray[np.uint8]
U2 = NDArray[np.uint16]
U4 = NDArray[np.uint32]
B1 = NDArray[np.bool_]
Int = int | np.integer[Any]
