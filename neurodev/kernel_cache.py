"""Where compiled kernels are kept: folders that are nobody else's, named after all that a kernel was made of.

Nothing here knows Numba; `neurodev.jit` puts its files there.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import sys
import tempfile
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent

_IMPORT = re.compile(rb"^\s*(?:from|import) +(neurodev[\w.]*)(?: +import +(\([^)]*\)|[^\n]*))?", re.MULTILINE)
_ANY_IMPORT = re.compile(rb"^\s*(?:from|import) +([A-Za-z_][\w.]*)", re.MULTILINE)


@cache
def _read(path: Path) -> tuple[bytes, frozenset[Path]]:
    """Digest of a source file, and the files that it imports, of this package or (outside it) from its own folder."""
    text = path.read_bytes()
    names = []
    for module, imported in _IMPORT.findall(text):
        names += [module.decode(), *(f"{module.decode()}.{word.decode()}" for word in re.findall(rb"\w+", imported))]
    files = (PACKAGE.parent.joinpath(*name.split(".")).with_suffix(".py") for name in dict.fromkeys(names))
    found = frozenset(file for file in files if file in _files())
    if PACKAGE not in path.parents:  # a user's own file: what it imports from beside it counts as well
        beside = (path.parent.joinpath(*m.decode().split(".")).with_suffix(".py") for m in _ANY_IMPORT.findall(text))
        found |= frozenset(file for file in beside if file.is_file())
    return hashlib.sha256(text).digest(), found


@cache
def _files() -> frozenset[Path]:
    return frozenset(PACKAGE.rglob("*.py"))


@cache
def source_hash(path: Path) -> str:
    """Hash of a source file and of all it imports, directly or not, from this package or from beside it.

    Numba's own cache misses changes in imported helpers; hashing the whole package would recompile the engine
    for a change in a plot.
    """
    seen: set[Path] = set()
    waiting = {path, PACKAGE / "jit.py"}
    while waiting:
        file = waiting.pop()
        seen.add(file)
        waiting |= _read(file)[1] - seen
    digest = hashlib.sha256()
    for file in sorted(seen):
        digest.update(file.name.encode())
        digest.update(_read(file)[0])
    return digest.hexdigest()[:16]


@cache
def folder_of(source: str, flags: str = "") -> Path | None:
    """Folder of the compiled kernels of one source file; none where none is safe.

    What is kept there is code: a folder that somebody else owns, or can write to, is left alone.

    Parameters
    ----------
    source : str
        The file.
    flags : str
        Tells kernels apart that were compiled otherwise: with bounds checks, say.
    """
    given = os.environ.get("NEURODEV_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME")
    file = Path(source)
    code = source_hash(file) if file.is_file() else "interactive"
    try:
        base = (Path(given) if given else Path.home() / ".cache") / "neurodev"
    except RuntimeError:  # nobody's home
        base = None
    # of this user alone, and of no name that Python could take for a package
    own = Path(tempfile.gettempdir()) / f"neurodev-kernels-{getattr(os, 'getuid', lambda: 0)()}"
    if base is not None and base.parent.resolve() == own.parent.resolve():
        base = None  # a folder "neurodev" there would stand before the package for whoever works there
    for root in (base, own):
        if root is not None:
            path = root / f"{file.stem}-{code}{flags}"
            if not (fault := _unsafe(root, tighten=True) or _unsafe(path)):
                return path
            say("folder", f"the folder of compiled kernels {str(path)!r} is not used ({fault})")
    say("none", "kernels are compiled anew in every session; NEURODEV_CACHE_DIR names a folder for them")
    return None


def _unsafe(folder: Path, tighten: bool = False) -> str:
    """What speaks against a folder, which is made if need be (and taken from others' hands); empty if nothing."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        about = folder.lstat()
        if tighten and os.name == "posix" and stat.S_ISDIR(about.st_mode) and about.st_uid == os.getuid():
            if about.st_mode & 0o022:  # made by an older neurodev, under a generous umask; what lies in it is looked at
                folder.chmod(stat.S_IMODE(about.st_mode) & ~0o022)
                about = folder.lstat()
    except OSError as e:
        return str(e)
    if not stat.S_ISDIR(about.st_mode):
        return f"{folder.name} is a link" if stat.S_ISLNK(about.st_mode) else f"{folder.name} is no folder"
    if hasattr(os, "getuid") and about.st_uid != os.getuid():
        return f"{folder.name} belongs to another user"
    if os.name == "posix" and about.st_mode & 0o022:
        return f"others may write to {folder.name}"
    return "" if os.access(folder, os.W_OK | os.X_OK) else f"{folder.name} cannot be written to"


_said: set[str] = set()


def say(kind: str, text: str) -> None:
    """One line on stderr, once of a kind."""
    if kind not in _said and sys.stderr is not None:
        _said.add(kind)
        try:
            print(f"neurodev: {text}", file=sys.stderr)
        except (OSError, ValueError):  # nobody listens
            pass
