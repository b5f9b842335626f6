"""Which generation of pseudonymised data a home holds: the epoch of its pseudonym keys, in one small file.

Layout: epoch 1 lies in the home itself; epoch n in ``<home>/generations/<n>``, once ``<home>/generation.json`` says so.
The pointer is replaced by one rename, so every reader sees the old generation whole or the new one whole.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Final

from registry.errors import ConfigurationError, IntegrityError

POINTER: Final = "generation.json"
GENERATIONS: Final = "generations"
RETIRED: Final = ".retired"
"""Note in a folder of data that a rotation has left behind."""


def current_epoch(home: Path) -> int:
    """Return the epoch of the pseudonyms of a home's data; 1 until keys have been rotated.

    Raises
    ------
    IntegrityError
        If the pointer cannot be read.
    """
    path = home / POINTER
    try:
        epoch = json.loads(path.read_text())["epoch"]
    except FileNotFoundError:
        return 1
    except (ValueError, KeyError, TypeError) as error:
        raise IntegrityError("the pointer to the current generation cannot be read", where=str(path),
                             remedy="Write {\"epoch\": n} with the number of the newest whole generation.") from error
    return int(epoch)


def data_dir(home: Path, epoch: int) -> Path:
    """Return where the data of an epoch lie: warehouse and directory."""
    return home if epoch == 1 else home / GENERATIONS / f"{epoch:04d}"


def epoch_of(folder: Path) -> int:
    """Return the epoch of a warehouse or directory by where it lies."""
    generation = folder.absolute().parent
    return int(generation.name) if generation.parent.name == GENERATIONS else 1


def switch(home: Path, epoch: int) -> None:
    """Make a generation the current one; what it consists of must be on disk by now."""
    draft = home / f".{POINTER}"
    with draft.open("w") as file:
        json.dump({"epoch": epoch}, file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(home / POINTER)
    sync_folder(home)


def sync_folder(folder: Path) -> None:
    """Put the names of a folder on disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def retire(folder: Path, home: Path, epoch: int) -> None:
    """Say in a folder that it takes nothing in any more once `epoch` is the current one."""
    note = {"epoch": epoch, "home": os.path.relpath(home, folder)}
    (folder / RETIRED).write_text(json.dumps(note))


def check_not_retired(folder: Path) -> None:
    """Refuse to write to a folder of an earlier generation.

    Raises
    ------
    ConfigurationError
        If the keys were rotated since the writer began: it holds keys of the old epoch.
    """
    path = folder / RETIRED
    if not path.is_file():
        return
    note = json.loads(path.read_text())
    epoch = current_epoch((folder / note["home"]).resolve())
    # A rotation that was killed before its switch leaves the note behind, and the folder is still the current one.
    if epoch >= note["epoch"]:
        raise ConfigurationError(
            f"the pseudonym keys were rotated to epoch {epoch}", where=str(folder),
            remedy="Start the command or service again: it takes the new keys and writes to the new generation.",
        )
