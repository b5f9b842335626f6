"""Batches over tiny desks: a service of this process, and the worker that it would start."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from registry.access.local import init_local, local_token
from registry.settings import Settings
from registry.signing import init_keys
from serving.app import create_app
from serving.batches.desk import BatchDesk
from serving.batches.folder import BatchFolders
from serving.batches.worker import Worker
from serving.desk import ScoringDesk
from serving.gate import Gate, open_gate
from serving.live import LiveScorer
from tests.lib.client import AppClient
from tests.lib.desks import NOW, PLATE, USCC, VIN, tiny_desk

UNKNOWN = {"plate_no": "赣A99999", "plate_color": "2"}
ENTERPRISE = "enterprise_risk"
VEHICLE = "maintenance"


@dataclass
class Office:
    """A service with batches and a worker over the same folder."""

    settings: Settings
    desk: ScoringDesk
    batches: BatchDesk
    gate: Gate
    client: AppClient

    def worker(self) -> Worker:
        """Return a worker that scores with the tiny models, whatever the promotion ledger says."""
        return TinyWorker(self.settings, self.desk, self.gate.book, lambda _: None)

    def work(self) -> int:
        """Do all that waits."""
        return self.worker().run()

    def submit(self, lines: list[Any], *, product: str = VEHICLE, **headers: str) -> dict[str, Any]:
        """Bring a batch that is not answered at once; return what it is told."""
        response = self.client.post(
            f"/v1/{product}/batches", content=ndjson(lines),
            headers={"Content-Type": "application/x-ndjson", "Prefer": "respond-async", **headers},
        )
        assert response.status_code == 202, response.text
        return dict(response.json())

    def result(self, batch_id: str) -> list[dict[str, Any]]:
        """Return the lines of a result."""
        response = self.client.get(f"/v1/batches/{batch_id}/result")
        assert response.status_code == 200, response.text
        return read_lines(response.content)

    def timeless(self, batch_id: str) -> list[dict[str, Any]]:
        """Return the lines of a result without what two batches of the same rows never share."""
        lines = self.result(batch_id)
        for line in lines:
            if "answer" in line:
                line["answer"]["score_id"] = ""
            else:
                line["problem"]["instance"] = ""
        return lines


class TinyWorker(Worker):
    """A worker whose live models are those of its desk."""

    def _live(self, product: str) -> dict[str, str]:
        model: LiveScorer = self.desk.live.current.product(product)
        return {"version": model.version, "digest": model.scorer.digest}


def office(folder: Path, *, desk: ScoringDesk | None = None, at: datetime = NOW) -> Office:
    """Return a service with batches on a home in `folder`."""
    desk = desk or tiny_desk(folder)
    settings = Settings(home=folder / "home", keys_dir=folder / "access-keys")
    init_keys(settings.keys_dir)
    init_local(settings, now=at)
    gate = open_gate(settings, desk.decisions, desk.clock)
    batches = BatchDesk(desk, BatchFolders(settings.batch_dir), lambda: None)
    client = AppClient(create_app(desk, gate, batches=batches), key=local_token(settings))
    return Office(settings, desk, batches, gate, client)


def ndjson(lines: list[Any]) -> bytes:
    """Return lines as NDJSON; a text stands for itself."""
    return b"".join((line if isinstance(line, str) else json.dumps(line, ensure_ascii=False)).encode() + b"\n" for line in lines)


def read_lines(body: bytes) -> list[dict[str, Any]]:
    """Return the objects of NDJSON."""
    return [json.loads(line) for line in body.splitlines()]


def mixed(n: int) -> list[Any]:
    """Return n rows: plates and VINs in turn, some unknown, some malformed."""
    rows: list[Any] = []
    for i in range(n):
        entity: dict[str, str] = (PLATE, VIN, PLATE, VIN, UNKNOWN)[i % 5]
        rows.append("{no json" if i % 11 == 7 else {"entity": entity, "ref": f"r-{i}"})
    return rows


__all__ = ["ENTERPRISE", "NOW", "PLATE", "UNKNOWN", "USCC", "VEHICLE", "VIN", "Office", "mixed", "ndjson", "office",
           "read_lines"]
