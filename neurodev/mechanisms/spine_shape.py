"""The shape of a spine: necks as independent traits, and labels derived from size and neck.

Length and diameter of the neck are log-normal, drawn at birth, and independent of the volume of the head: in CA1 and in
V1 neck length does not correlate with head volume, neck diameter weakly (Harris & Stevens 1989; Arellano 2007, both
abstracts).  Means and spreads are those of 100 spines of rat CA1 (Harris & Stevens 1989, table 2, recalled).

With ``isotropic=True`` a spine keeps its proportions instead: what is drawn at birth is its shape at the reference
volume V0, and with ``s = (V / V0)^(1/3)`` the length and the diameter of its neck go with s and the area of its
postsynaptic density with s^2, as when a body grows alike in all directions.  Each power of s is a parameter: density
areas that are proportional to volumes, as in CA1 (Harris & Stevens 1989, recalled), are ``density_power=3``.

"Thin", "stubby" and "mushroom" are labels of a continuum, never the state itself: `labels` derives them, with the
cut-offs as parameters.  A filopodium is a stage (`SpineStage`), or a long protrusion without a head; the neck of a
filopodium is the one that its spine will have, its own length is not represented.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurodev.arrays import F8, I8
from neurodev.errors import BuildError
from neurodev.mechanisms.base import Mechanism, SynapseView
from neurodev.noise import normals_of
from neurodev.params import asks, measured, or_none, param

LABELS = ("filopodium", "thin", "stubby", "mushroom")
_OLD = "Harris & Stevens 1989, table 2 (recalled)"


@dataclass(frozen=True)
class SpineShape(Mechanism):
    """Neck length and diameter of every spine, and the cut-offs of its label.

    Parameters
    ----------
    neck_length, neck_length_sd : float, um
        Mean and spread of the length of necks.
    neck_diameter, neck_diameter_sd : float, um
        Mean and spread of their diameter.
    mushroom_volume : float, um3
        Heads from this volume on are mushrooms: a sphere of 0.6 um.
    stubby_ratio : float
        Spines whose neck is shorter than this times its diameter have no neck to speak of: stubby.
    filopodium_length : float, um
    filopodium_volume : float, um3
        Protrusions of at least this length whose head is at most this large (a sphere of 0.3 um) are filopodia.
    isotropic : bool
        Whether necks and densities follow the volume; else necks stay as they were drawn, and there are no densities.
    density_area, density_area_sd : float, um2
        Mean and spread of the area of postsynaptic densities at the reference volume.
    length_power, diameter_power, density_power : float
        Powers of s = (V/V0)^(1/3) by which they grow, if isotropic.

    Examples
    --------
    >>> net = nd.Network(seed=1)
    >>> a, b = net.add(nd.Poisson(10.0), 50, name="a"), net.add(nd.LIF(), 20, name="b")
    >>> net.connect(a, b, nd.Degree(5), spines=nd.Spines(weight=4.0)).use(nd.SpineSize(), nd.SpineShape())
    Projection('a_b', a to b, about 100 synapses, 5 inputs each, spines of 4 mV, uses SpineSize, SpineShape)
    """

    neck_length: float = param(0.45, unit="um", above=0.0, source=_OLD)
    neck_length_sd: float = param(0.29, unit="um", low=0.0, source=_OLD)
    neck_diameter: float = param(0.15, unit="um", above=0.0, source=_OLD)
    neck_diameter_sd: float = param(0.06, unit="um", low=0.0, source=_OLD)
    mushroom_volume: float = param(0.113, unit="um3", above=0.0, source="head of 0.6 um: Harris 1992 (recalled)")
    stubby_ratio: float = param(1.0, unit="1", low=0.0, source="neck shorter than wide: Harris 1992 (recalled)")
    filopodium_length: float = param(2.0, unit="um", above=0.0, source="2-10 um: Ziv & Smith 1996 (recalled)")
    filopodium_volume: float = param(0.0141, unit="um3", above=0.0, source="width < 0.3 um: Fiala 1998 (recalled)")

    isotropic: bool = param(False, source="off switch; geometric similarity")
    density_area: float = param(0.069, unit="um2", above=0.0, source=_OLD)
    density_area_sd: float = param(0.02, unit="um2", low=0.0, source="free: what the volume leaves of a spread of .08")
    length_power: float = param(1.0, unit="1", low=0.0, source="lengths as s: geometric similarity")
    diameter_power: float = param(1.0, unit="1", low=0.0, source="lengths as s: geometric similarity")
    density_power: float = param(2.0, unit="1", low=0.0, source="areas as s^2; Harris & Stevens 1989: 3")

    reach: ClassVar[str] = "target"
    equation: ClassVar[str] = (
        "neck length, neck diameter: log-normal, drawn at birth, independent of V;  isotropic: times s^length_power, "
        "s^diameter_power, and density area times s^density_power, s = (V/V0)^(1/3);  label: filopodium, else stubby "
        "(length < stubby_ratio diameter), else mushroom (V >= mushroom_volume), else thin"
    )
    owns: ClassVar[tuple[str, ...]] = ("neck_length", "neck_diameter", "density_area")

    @property
    def powers(self) -> dict[str, float]:
        """The power of s by which each column goes."""
        if not self.isotropic:
            return {"neck_length": 0.0, "neck_diameter": 0.0}
        return {
            "neck_length": self.length_power, "neck_diameter": self.diameter_power, "density_area": self.density_power
        }  # fmt: skip

    def columns(self) -> dict[str, float]:
        """Two traits, um; with an area, um2, where they follow the volume."""
        return {name: getattr(self, name) for name in self.powers}

    def prepare(self, view: SynapseView) -> None:
        """Draw the necks of the first spines.

        Raises
        ------
        BuildError
            If they are to follow a volume that there is not.
        """
        names = view.table.column_names
        if self.isotropic and "log_size" not in names and "size" not in names:
            raise BuildError(
                f"projection {view.name!r} has no spines, whose volume SpineShape(isotropic=True) would follow: "
                "connect with spines=nd.Spines(...)"
            )
        self.born(view, view.slots())

    def born(self, view: SynapseView, slots: I8) -> None:
        """Draw the necks of newborns, by their uids."""
        t, s = view.table, self._scale(view, slots) if self.isotropic else None
        for name, power in self.powers.items():
            mean, sd = getattr(self, name), getattr(self, f"{name}_sd")
            variance = np.log1p((sd / mean) ** 2)  # of the logarithm
            z = normals_of(view.key(name), t.uid[slots])
            drawn = mean * np.exp(np.sqrt(variance) * z - variance / 2.0)
            t.column(name)[slots] = drawn if s is None else drawn * s**power

    def settle(self, view: SynapseView) -> None:
        """Shapes follow the volumes of this tick, from what was drawn at birth: nothing adds up."""
        if self.isotropic:
            self.born(view, view.slots())

    def _scale(self, view: SynapseView, slots: I8) -> F8:
        """s of each, (n,)."""
        t = view.table
        if "log_size" in t.column_names:
            return np.asarray(np.exp(t.column("log_size")[slots] / 3.0))
        return np.asarray(np.cbrt(t.column("size")[slots] / view.reference_volume))

    @asks(volume=measured("um3"), neck_length=measured("um"), neck_diameter=measured("um"), stage=or_none(measured()))
    def labels(
        self, volume: ArrayLike, neck_length: ArrayLike, neck_diameter: ArrayLike, stage: ArrayLike | None = None
    ) -> NDArray[np.str_]:
        """The label of each spine.

        Parameters
        ----------
        volume : (n,) float, um3
            Of the head.
        neck_length, neck_diameter : (n,) float, um
        stage : (n,) float, optional
            The column of `SpineStage`; 0 is a filopodium whatever its shape.

        Returns
        -------
        (n,) str
            "filopodium", "thin", "stubby" or "mushroom".
        """
        v, length, width = (np.asarray(a, dtype=np.float64) for a in (volume, neck_length, neck_diameter))
        thread = (length >= self.filopodium_length) & (v <= self.filopodium_volume)
        if stage is not None:
            thread = thread | (np.asarray(stage) == 0.0)
        out: NDArray[np.str_] = np.where(v >= self.mushroom_volume, LABELS[3], LABELS[1])
        out = np.where(length < self.stubby_ratio * width, LABELS[2], out)
        return np.where(thread, LABELS[0], out)


def shares(labels: NDArray[np.str_]) -> dict[str, float]:
    """The share of each label."""
    return {word: float(np.mean(labels == word)) if labels.size else 0.0 for word in LABELS}


def share_of_stubby(shape: SpineShape) -> float:
    """Share of spines whose neck is shorter than `stubby_ratio` times its diameter: of two log-normal laws."""
    from scipy.special import ndtr

    a = np.log1p((shape.neck_length_sd / shape.neck_length) ** 2)
    b = np.log1p((shape.neck_diameter_sd / shape.neck_diameter) ** 2)
    mean = np.log(shape.neck_length) - a / 2.0 - (np.log(shape.neck_diameter) - b / 2.0)
    return float(ndtr((np.log(shape.stubby_ratio) - mean) / np.sqrt(a + b)))
