"""Batches through the application, with a real ledger and real files."""

from __future__ import annotations

import gzip
import io
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from registry.errors import ServiceUnavailable
from serving.batches import worker as working
from serving.batches.folder import KEPT, BatchFolder
from tests.lib.batch_desks import ENTERPRISE, NOW, PLATE, USCC, VEHICLE, VIN, mixed, office, read_lines
from tests.lib.bundles import PORTFOLIO

TABULAR = {"vin": [VIN["vin"], None, "nonsense"], "plate_no": [None, PLATE["plate_no"], None],
           "plate_color": [None, PLATE["plate_color"], None], "ref": ["a", "b", None]}


def post(client: Any, content: bytes, media: str, *, product: str = VEHICLE, **headers: str) -> Any:
    return client.post(f"/v1/{product}/batches", content=content, headers={"Content-Type": media, **headers})


def bodies() -> dict[str, tuple[bytes, str, dict[str, str]]]:
    table = pa.table({name: pa.array(cells, pa.string()) for name, cells in TABULAR.items()})
    parquet, stream, text = io.BytesIO(), io.BytesIO(), io.BytesIO()
    pq.write_table(table, parquet)
    with pa.ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table)
    pacsv.write_csv(table, text)
    lines = b"".join(json.dumps(line).encode() + b"\n" for line in (
        {"entity": VIN, "ref": "a"}, {"entity": PLATE, "ref": "b"}, {"entity": {"vin": "nonsense"}},
    ))
    return {
        "ndjson": (lines, "application/x-ndjson", {}),
        "gzip": (gzip.compress(lines), "application/x-ndjson", {"Content-Encoding": "gzip"}),
        "csv": (text.getvalue(), "text/csv", {}),
        "gb18030": (text.getvalue().decode().encode("gb18030"), "text/csv; charset=gb18030", {}),
        "parquet": (parquet.getvalue(), "application/vnd.apache.parquet", {}),
        "arrow": (stream.getvalue(), "application/vnd.apache.arrow.stream", {}),
    }


@pytest.mark.parametrize("form", list(bodies()))
def test_every_form_of_a_body_gets_the_same_lines(tmp_path: Path, form: str) -> None:
    content, media, headers = bodies()[form]
    response = post(office(tmp_path).client, content, media, **headers)
    assert response.status_code == 200, response.text
    first, second, third = read_lines(response.content)
    assert (first["row"], first["ref"], second["row"], second["ref"], third["ref"]) == (1, "a", 2, "b", None)
    assert first["answer"]["points"] == second["answer"]["points"]
    assert third["problem"]["status"] == 422


def test_a_small_batch_is_the_single_scores_to_the_last_bit(tmp_path: Path) -> None:
    made = office(tmp_path)
    single = made.client.post(f"/v1/{VEHICLE}/scores", json={"entity": VIN}).json()
    (line,) = read_lines(post(made.client, json.dumps({"entity": VIN}).encode(), "application/x-ndjson").content)
    assert {**line["answer"], "score_id": ""} == {**single, "score_id": ""}


def test_a_portfolio_is_refused_in_batches_and_told_what_to_do(tmp_path: Path) -> None:
    answer = office(tmp_path).client.post(
        f"/v1/portfolios/{PORTFOLIO}/batches", content=b"{}\n", headers={"Content-Type": "application/x-ndjson"}
    )
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert answer.json()["detail"] == "a portfolio is not scored in batches"
    assert "POST /v1/portfolios/{name}/scores" in answer.json()["remedy"]


def test_a_batch_is_taken_in_worked_at_and_handed_out(tmp_path: Path) -> None:
    made = office(tmp_path)
    told = made.submit(mixed(23))
    path = told["links"]["self"]
    assert made.client.get(path).json()["status"] == "received"
    assert made.client.get(f"{path}/result").status_code == 409
    assert made.work() == 1
    status = made.client.get(path).json()
    assert (status["status"], status["rows"], status["done"], status["progress"]) == ("done", 23, 23, 1.0)
    assert status["model_digest"]
    lines = made.result(told["id"])
    assert [line["row"] for line in lines] == list(range(1, 24))
    problems = read_lines(made.client.get(f"{path}/problems").content)
    assert problems == [line for line in lines if "problem" in line]
    assert len(problems) == status["problems"]
    assert {line["problem"]["status"] for line in problems} == {404, 422}
    decisions = list(made.desk.decisions.decisions())
    assert len(decisions) == status["scored"] + status["grey"]
    assert {(one.batch, one.scenario != "") for one in decisions} == {(told["id"], True)}
    (count,) = [one for one in made.desk.decisions.usage() if one.kind == "batch"]
    assert count.n == len(decisions)


@pytest.mark.parametrize("form", ["csv", "parquet", "arrow"])
def test_a_result_as_a_table(tmp_path: Path, form: str) -> None:
    made = office(tmp_path)
    told = made.submit(mixed(12))
    made.work()
    lines = made.result(told["id"])
    content = made.client.get(f"/v1/batches/{told['id']}/result", params={"format": form}).content
    readers: dict[str, Any] = {
        "csv": lambda: pacsv.read_csv(io.BytesIO(content)), "parquet": lambda: pq.read_table(io.BytesIO(content)),
        "arrow": lambda: pa.ipc.open_stream(content).read_all(),
    }
    rows = readers[form]().to_pylist()
    assert [row["row"] for row in rows] == [line["row"] for line in lines]
    assert [row["points"] for row in rows] == [line["answer"]["points"] if "answer" in line else None for line in lines]
    if form != "csv":
        assert [json.loads(row["answer"]) for row in rows if row["answer"]] == [one["answer"] for one in lines if "answer" in one]


def test_no_natural_key_is_written_anywhere(tmp_path: Path) -> None:
    made = office(tmp_path)
    wrong = {"entity": {"vin": "L99000248R0000018"}, "ref": VIN["vin"]}
    told = made.submit([*mixed(30), wrong, {"entity": {**VIN, "赣A12345": "x"}}, {"entity": VIN, PLATE["plate_no"]: 1}])
    made.submit([{"entity": USCC}], product=ENTERPRISE)
    made.work()
    said = made.client.get(f"/v1/batches/{told['id']}/result").content
    canaries = [PLATE["plate_no"], "赣A99999", VIN["vin"], USCC["uscc"], wrong["entity"]["vin"]]  # type: ignore[index]
    needles = [text.encode(coding) for text in canaries for coding in ("utf-8", "gb18030", "utf-16-le")]
    files = [Path(folder) / name for folder, _, names in os.walk(tmp_path) for name in names]
    contents = [said, *(path.read_bytes() for path in files)]
    contents += [BatchFolder.__module__.encode(), b"".join(
        str(row).encode() for folder in made.batches.folders.all() for row in folder.rows(0)
    )]
    assert len(files) > 10
    assert not [needle for needle in needles for content in contents if needle in content]


def test_an_idempotency_key_makes_one_batch(tmp_path: Path) -> None:
    made = office(tmp_path)
    rows = mixed(5)
    first, again = (made.submit(rows, **{"Idempotency-Key": "k1"}) for _ in range(2))
    assert first == again
    assert len(made.client.get("/v1/batches").json()["batches"]) == 1
    other = post(made.client, b'{"entity": {}}', "application/x-ndjson", **{"Idempotency-Key": "k1"})
    assert (other.status_code, other.json()["type"]) == (422, "urn:roadrisk:problem:idempotency-key-reused")


def test_a_small_batch_under_a_key_is_recorded_once(tmp_path: Path) -> None:
    made = office(tmp_path)
    content = json.dumps({"entity": VIN}).encode()
    first, again = (post(made.client, content, "application/x-ndjson", **{"Idempotency-Key": "k2"}) for _ in range(2))
    assert first.content == again.content
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len(list(made.desk.decisions.decisions())) == 1


@pytest.mark.parametrize(("content", "media", "status"), [
    (b"{}", "application/json", 415), (b"", "application/x-ndjson", 422), (b"PAR1 no", "application/vnd.apache.parquet", 422),
    (b"\xff\xff", "text/csv", 422), (b"colour\nred\n", "text/csv", 422), (b"junk", "application/vnd.apache.arrow.stream", 422),
])
def test_what_is_no_batch_is_refused(tmp_path: Path, content: bytes, media: str, status: int) -> None:
    made = office(tmp_path)
    response = post(made.client, content, media)
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
    assert not list(made.batches.folders.all())


def test_bombs_are_refused_before_they_unfold(tmp_path: Path) -> None:
    made = office(tmp_path)
    bomb = gzip.compress(b" " * (65 * 1024 * 1024))
    assert post(made.client, bomb, "application/x-ndjson", **{"Content-Encoding": "gzip"}).status_code == 422
    table, stream = pa.table({"vin": ["x" * 1000] * 1000}), io.BytesIO()
    with pa.ipc.new_stream(stream, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table)
    refused = post(made.client, stream.getvalue(), "application/vnd.apache.arrow.stream")
    assert "compressed" in refused.json()["detail"]
    long, parquet = pa.table({"vin": ["x"] * 200_001}), io.BytesIO()
    pq.write_table(long, parquet)
    assert post(made.client, parquet.getvalue(), "application/vnd.apache.parquet").status_code == 422


def test_a_batch_of_another_consumer_does_not_exist(tmp_path: Path) -> None:
    made = office(tmp_path)
    told = made.submit(mixed(3))
    folder = made.batches.folders.find(told["id"], "local")
    header = folder.header
    folder.write_header(replace(header, caller={**header.caller, "consumer": "another"}))
    for path in ("", "/result", "/problems"):
        assert made.client.get(f"/v1/batches/{told['id']}{path}").status_code == 404
    assert made.client.request("DELETE", f"/v1/batches/{told['id']}").status_code == 404
    assert made.client.get("/v1/batches").json() == {"batches": []}


def test_a_batch_is_cancelled_then_removed(tmp_path: Path) -> None:
    made = office(tmp_path)
    path = made.submit(mixed(3))["links"]["self"]
    assert made.client.request("DELETE", path).status_code == 204
    assert made.client.get(path).json()["status"] == "cancelled"
    assert made.work() == 0
    assert made.client.request("DELETE", path).status_code == 204
    assert made.client.get(path).status_code == 404


def test_what_is_old_is_swept(tmp_path: Path) -> None:
    made = office(tmp_path)
    made.submit(mixed(3))
    made.work()
    assert made.batches.folders.sweep(NOW + KEPT) == 0
    assert made.batches.folders.sweep(NOW + KEPT * 1.01) == 1
    assert len(list(made.desk.decisions.decisions())) > 0


def test_a_quota_lets_exactly_so_many_rows_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = office(tmp_path)
    limited = type(made.gate.book).authorise

    def with_quota(*args: Any, **named: Any) -> Any:
        return replace(limited(*args, **named), per_month=4)

    monkeypatch.setattr(type(made.gate.book), "authorise", with_quota)
    told = made.submit([{"entity": VIN}] * 9)
    made.work()
    lines = made.result(told["id"])
    assert ["answer" in line for line in lines] == [True] * 4 + [False] * 5
    assert {line["problem"]["status"] for line in lines[4:]} == {429}
    assert len(list(made.desk.decisions.decisions())) == 4


class Broken:
    """A store that does not answer."""

    epoch = 1

    def read_many(self, *_: Any, **__: Any) -> Any:
        raise ServiceUnavailable("the store does not answer")


def test_a_store_that_fails_is_asked_again_and_then_the_batch_fails(tmp_path: Path) -> None:
    made = office(tmp_path)
    told = made.submit(mixed(3))
    pauses: list[float] = []
    worker = made.worker()
    worker.desk, worker.sleep = replace(made.desk, source=Broken()), pauses.append  # type: ignore[arg-type]
    worker.run()
    status = made.client.get(f"/v1/batches/{told['id']}").json()
    assert status["status"] == "failed"
    assert status["problem"]["status"] == 503
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0]
    assert not list(made.desk.decisions.decisions())


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("where", ["record", "part"])
def test_a_chunk_that_was_recorded_is_not_recorded_again(tmp_path: Path, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made, undisturbed = office(tmp_path / "a"), office(tmp_path / "b")
    told, other = (one.submit(mixed(25)) for one in (made, undisturbed))
    undisturbed.work()

    def die(*_: Any, **__: Any) -> None:
        raise Killed("now")

    with monkeypatch.context() as patch:
        patch.setattr(*((type(made.desk.decisions), "record_many") if where == "record" else (BatchFolder, "write_part")), die)
        with pytest.raises(Killed, match="now"):
            made.work()
    made.work()
    assert made.timeless(told["id"]) == undisturbed.timeless(other["id"])
    scored = made.client.get(f"/v1/batches/{told['id']}").json()["scored"]
    assert len(list(made.desk.decisions.decisions())) == scored


def test_one_worker_works_and_one_waits(tmp_path: Path) -> None:
    with working.only_one(tmp_path) as first:
        assert first
        with (tmp_path / "waiting.lock").open("ab") as place:
            import fcntl

            fcntl.flock(place, fcntl.LOCK_EX)
            with working.only_one(tmp_path) as third:
                assert not third


