"""Where tests look for data that are not in the repository: one rule for all, that of the programs in `analysis/`."""

from pathlib import Path

from analysis.common import places


def data_folder(name: str) -> Path:
    """The folder of some data: in $NEURODEV_DATA, data/ or ../shared/data; if nowhere, where the last would be."""
    found = places(name)
    return next((p for p in found if p.is_dir()), found[-1])
