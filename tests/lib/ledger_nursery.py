"""A process that has imported everything and forks writers of the decision ledger on request, so that 200 of them start in seconds.

    python -m tests.lib.ledger_nursery FOLDER [ADDRESS]

Each line on standard input is the name of a writer, whose process id comes back on standard output, or ``wait ID``, which
gives the exit status of one. A writer records decisions from `THREADS` threads, each with a count and the answer of an
idempotency key, and writes the score id to `FOLDER/acks` only after the record is durable.
"""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from pathlib import Path

from tests.lib.ledgers import answer, beside, count, decision, decisions, postgresql_at, sqlite_at

THREADS = 3


def write(folder: Path, address: str | None, name: str) -> None:
    """Record decisions until somebody kills this process."""
    ledger = decisions(postgresql_at(address) if address else sqlite_at(folder))
    acks = os.open(folder / "acks", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def work(thread: int) -> None:
        for number in range(100_000):
            score_id = f"{name}-{thread}-{number}"
            ledger.record(decision(score_id=score_id), beside=beside(count(), answer=answer(score_id, score_id=score_id)))
            os.write(acks, f"{score_id}\n".encode())

    threads = [threading.Thread(target=work, args=(thread,), daemon=True) for thread in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main(folder: Path, address: str | None) -> None:
    """Fork a writer for each line, and wait for it to end for each line ``wait ID``."""
    for line in sys.stdin:
        word, _, rest = line.strip().partition(" ")
        if word == "wait":
            _, status = os.waitpid(int(rest), 0)
            _say(str(os.waitstatus_to_exitcode(status)))
            continue
        child = os.fork()
        if child == 0:
            status = 1
            with suppress(BaseException):
                write(folder, address, word)
                status = 0
            os._exit(status)
        _say(str(child))


def _say(text: str) -> None:
    os.write(1, f"{text}\n".encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None)
