"""Methods: published ways to prune and grow while learning, each a page of composition over isolated mechanisms."""

from neurodev.methods.dpap import DPAP
from neurodev.methods.drop_and_grow import NDSNN, SET, RigL, Static
from neurodev.methods.hybrids import TracedNDSNN, TrophicNDSNN
from neurodev.methods.lth import LTH
from neurodev.methods.nspdi import NSPDI, STDS
from neurodev.methods.sd_snn import SDSNN

METHODS = {m.__name__: m for m in (SDSNN, DPAP, NDSNN, NSPDI, STDS, LTH, SET, RigL, Static, TracedNDSNN, TrophicNDSNN)}

__all__ = [
    "DPAP",
    "LTH",
    "METHODS",
    "NDSNN",
    "NSPDI",
    "SDSNN",
    "SET",
    "STDS",
    "RigL",
    "Static",
    "TracedNDSNN",
    "TrophicNDSNN",
]
