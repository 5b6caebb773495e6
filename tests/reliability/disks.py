"""A folder whose room can end, and which can be made read-only: a file system in memory, or limits of a process."""

from __future__ import annotations

import os
import resource
import subprocess
from pathlib import Path
from types import TracebackType

ROOMY = 256 << 20


class Disk:
    """A folder of one's own; where this process may mount, a small file system in memory lies there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.mounted = os.geteuid() == 0 and _said("mount", "-t", "tmpfs", "-o", f"size={ROOMY}", "none", str(folder))
        self._most = ROOMY
        self.locks = self.mounted or self._is_obeyed()

    def _is_obeyed(self) -> bool:
        """Root writes wherever it likes but on a file system that is read-only."""
        self.folder.chmod(0o555)
        try:
            (self.folder / "any").touch()
        except OSError:
            return True
        finally:
            self.folder.chmod(0o755)
            (self.folder / "any").unlink(missing_ok=True)
        return False

    def room(self, size: int) -> None:
        """From now on all files together (or, where nothing is mounted, each file) may have so many bytes."""
        self._most = size
        if self.mounted and not _said("mount", "-o", f"remount,size={size}", "none", str(self.folder)):
            raise OSError(f"{self.folder} cannot be mounted again")

    def limit(self) -> None:
        """In the process that writes: what `room` says."""
        if not self.mounted and self._most < ROOMY:
            resource.setrlimit(resource.RLIMIT_FSIZE, (self._most, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))

    def used(self) -> int:
        """Bytes of all files."""
        return sum(p.stat().st_size for p in self.folder.rglob("*") if p.is_file())

    def lock(self, on: bool) -> None:
        """Read-only, or not any more."""
        if not self.mounted:
            self.folder.chmod(0o555 if on else 0o755)
        elif not _said("mount", "-o", "remount," + ("ro" if on else "rw"), "none", str(self.folder)):
            raise OSError(f"{self.folder} cannot be mounted again")

    def __enter__(self) -> Disk:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.mounted:
            _said("umount", "-l", str(self.folder))
        else:
            self.folder.chmod(0o755)


def _said(*command: str) -> bool:
    """Whether a command succeeds."""
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False
