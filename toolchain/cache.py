"""The per-user cache: what is expensive to make and can be shared by checkouts."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping


def root(environ: Mapping[str, str]) -> Path:
    """The cache's directory, by the XDG rules: `$XDG_CACHE_HOME/enos-ota`, else `~/.cache/enos-ota`."""
    base = environ.get("XDG_CACHE_HOME", "")
    # The XDG specification has relative paths ignored.
    home = Path(base) if Path(base).is_absolute() else Path(environ.get("HOME") or Path.home()) / ".cache"
    return home / "enos-ota"


def digest(files: Iterable[Path]) -> str:
    """A short name for the content of files (12 hex digits), whatever directory they are in."""
    total = hashlib.sha256()
    for file in sorted(files, key=lambda file: file.name):
        total.update(f"{file.name}\0{file.stat().st_mode & 0o111}\0".encode())
        total.update(hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()[:12]


@contextlib.contextmanager
def exclusive(lock: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold a lock that ends with the process. `on_wait` is called once if another process holds it."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def make_once(final: Path, make: Callable[[Path], None], on_wait: Callable[[], None]) -> Path:
    """Have `make` fill a directory, unless `final` is there already; gives `final`.

    `final` appears at once and complete: `make` works in a temporary directory beside it, which is renamed at the end
    and removed when `make` fails or is interrupted. Two processes never make the same thing at the same time.
    """
    if final.is_dir():
        return final
    with exclusive(final.parent / f".{final.name}.lock", on_wait):
        if final.is_dir():
            return final
        # Whoever holds the lock owns the temporary directories too: these are of processes that were killed.
        for left in final.parent.glob(f".{final.name}.*/"):
            shutil.rmtree(left, ignore_errors=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{final.name}.", dir=final.parent))
        try:
            make(temporary)
            temporary.chmod(0o755)
            temporary.rename(final)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return final


def place(source: Path, target: Path) -> None:
    """Put a file at a second path: the same bytes on disk where the file system allows it, else a copy."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
