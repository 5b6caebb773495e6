"""Episodes: activity per wave, trial or sample, the signal that rate-based rules share between both drivers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from neurodev.arrays import F4
from neurodev.errors import ParameterError


class Episodes:
    """Activity of the last episodes: `pre` (n_episode, n_pre) and `post` (n_episode, n_post), float32.

    The engine appends one episode a tick (mean rates, Hz); `take` hands over what came since the last call.
    """

    def __init__(self, n_pre: int, n_post: int) -> None:
        self._n = (n_pre, n_post)
        self._pre: list[F4] = []
        self._post: list[F4] = []

    def append(self, pre: NDArray[np.floating], post: NDArray[np.floating]) -> None:
        """Add one episode.

        Raises
        ------
        ParameterError
            If an array does not have one value per cell.
        """
        for name, a, n in (("pre", pre, self._n[0]), ("post", post, self._n[1])):
            if np.shape(a) != (n,):
                raise ParameterError(f"{name} must have shape ({n},), one activity per cell, got {np.shape(a)}")
        self._pre.append(np.asarray(pre, dtype=np.float32))
        self._post.append(np.asarray(post, dtype=np.float32))

    def take(self) -> tuple[F4, F4]:
        """All episodes since the last call."""
        n_pre, n_post = self._n
        pre = np.stack(self._pre) if self._pre else np.zeros((0, n_pre), np.float32)
        post = np.stack(self._post) if self._post else np.zeros((0, n_post), np.float32)
        self._pre, self._post = [], []
        return pre, post
