"""Writing over HTTP: conflicts, repetitions, bulk, waiting, following."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote
from uuid import uuid4

import httpx2
import pytest

WAIT = {"Prefer": "wait=20"}


def create(oms: httpx2.Client, database: str, name: str, **more: object) -> dict[str, object]:
    """Create a customer, wait, and return the command's result."""
    data = {"customer_id": name, "name": name.title(), **more}
    answer = oms.post(f"/instances/{database}/async/Customer/create", json={"data": data}, headers=WAIT)
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    assert found["status"] == "COMPLETED", found
    return found


def read(oms: httpx2.Client, database: str, key: str) -> dict[str, object]:
    answer = oms.get(f"/instance/{database}/instance/{key}")
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()["data"]
    return found


def log_position(bff: httpx2.Client, database: str) -> int:
    position: int = bff.get("/audit/chain-head", params={"database": database}).json()["data"]["position"]
    return position


def test_must_hold_4_of_50_clients_with_one_expected_seq_one_wins(oms: httpx2.Client, bff: httpx2.Client, database: str) -> None:
    create(oms, database, "ann")
    oms.get(f"/instance/{database}/instance/Customer/ann")
    before = log_position(bff, database)
    barrier = threading.Barrier(50)

    def update(number: int) -> httpx2.Response:
        barrier.wait(30)
        path = f"/instances/{database}/async/Customer/ann/update?expected_seq=1"
        return oms.put(path, json={"data": {"name": f"Ann {number}"}})

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(update, range(50)))
    assert Counter(answer.status_code for answer in answers) == {202: 1, 409: 49}
    for answer in answers:
        if answer.status_code == 409:
            assert answer.json()["detail"]["actual_seq"] == 2
            assert answer.json()["detail"]["expected_seq"] == 1
    winner = next(answer.json()["command_id"] for answer in answers if answer.status_code == 202)
    assert oms.get(f"/commands/{winner}/status?wait=20").json()["status"] == "COMPLETED"
    assert log_position(bff, database) == before + 2, "only the command and its event are in the log"


def test_must_hold_5_same_key_gives_the_first_answer_again(oms: httpx2.Client, database: str) -> None:
    key = {"Idempotency-Key": "order-17"}
    path = f"/instances/{database}/async/Customer/create"
    first = oms.post(path, json={"data": {"customer_id": "k1", "name": "Kim"}}, headers=key)
    again = oms.post(path, json={"data": {"customer_id": "k1", "name": "Kim"}}, headers=key)
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["command_id"] == again.json()["command_id"]
    other = oms.post(path, json={"data": {"customer_id": "k1", "name": "Lee"}}, headers=key)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_mismatch")


def test_client_may_choose_the_command_id(oms: httpx2.Client, database: str) -> None:
    chosen = str(uuid4())
    answer = oms.post(
        f"/instances/{database}/async/Customer/create",
        json={"data": {"customer_id": "c1", "name": "Cho"}},
        headers={"X-Command-Id": chosen},
    )
    assert answer.json()["command_id"] == chosen


def test_must_hold_7_bulk_is_one_unit(oms: httpx2.Client, bff: httpx2.Client, database: str) -> None:
    before = log_position(bff, database)
    rows = [{"customer_id": f"b{number}", "name": "Bulk"} for number in range(20)]
    bad = [*rows, {"customer_id": "b20"}, {"customer_id": "b21", "name": 7}]
    refused = oms.post(f"/instances/{database}/async/Customer/bulk-create", json={"instances": bad})
    assert refused.status_code == 422, refused.text
    assert {error["row"] for error in refused.json()["errors"]} == {20, 21}
    assert log_position(bff, database) == before
    accepted = oms.post(f"/instances/{database}/async/Customer/bulk-create", json={"instances": rows})
    assert accepted.status_code == 202
    done = oms.get(f"/commands/{accepted.json()['command_id']}/status?wait=20").json()
    assert (done["status"], done["progress"]) == ("COMPLETED", {"total": 20, "done": 20, "failed": 0})
    assert oms.get(f"/instance/{database}/class/Customer/count").json()["data"]["count"] == 20


def test_bulk_update_and_delete_carry_numbers(oms: httpx2.Client, database: str) -> None:
    for name in ("u1", "u2"):
        create(oms, database, name)
    rows = [{"instance_id": name, "expected_seq": 1, "data": {"name": "New"}} for name in ("u1", "u2")]
    done = oms.post(f"/instances/{database}/async/Customer/bulk-update", json={"instances": rows}, headers=WAIT).json()
    assert done["status"] == "COMPLETED", done
    stale = [{"instance_id": "u1", "expected_seq": 2}, {"instance_id": "u2", "expected_seq": 1}]
    refused = oms.post(f"/instances/{database}/async/Customer/bulk-delete", json={"instances": stale})
    assert refused.status_code == 409
    assert read(oms, database, "Customer/u1")["version"] == 2, "nothing of a refused request is done"


def test_prefer_wait_answers_with_the_final_status(oms: httpx2.Client, database: str) -> None:
    path = f"/instances/{database}/async/Customer/create"
    answer = oms.post(path, json={"data": {"customer_id": "p1", "name": "Pat"}}, headers=WAIT)
    assert (answer.status_code, answer.json()["status"]) == (200, "COMPLETED")
    assert answer.headers["preference-applied"] == "wait=20"
    taken = oms.post(path, json={"data": {"customer_id": "p1", "name": "Pat"}}, headers=WAIT)
    assert (taken.status_code == 409) or taken.json()["status"] == "FAILED"


def test_following_a_command_as_server_sent_events_ends_with_its_final_state(oms: httpx2.Client, database: str) -> None:
    path = f"/instances/{database}/async/Customer/create"
    command = oms.post(path, json={"data": {"customer_id": "s1", "name": "Sam"}}).json()["command_id"]
    with oms.stream("GET", f"/commands/{command}/events?timeout=20") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        text = "".join(stream.iter_text())
    events = [line for line in text.splitlines() if line.startswith("data:")]
    assert '"COMPLETED"' in events[-1]
    assert command in events[-1]


@pytest.mark.parametrize(("command_id", "status"), [("nonsense", 400), ("00000000-0000-4000-8000-000000000000", 404)])
def test_status_of_what_is_no_command(oms: httpx2.Client, command_id: str, status: int) -> None:
    for ending in ("status", "events"):
        assert oms.get(f"/commands/{command_id}/{ending}").status_code == status


def test_must_hold_3_delete_completes_and_frees_the_id(oms: httpx2.Client, database: str) -> None:
    create(oms, database, "d1")
    path = f"/instances/{database}/async/Customer/d1/delete"
    done = oms.delete(f"{path}?expected_seq=1", headers=WAIT).json()
    assert done["status"] == "COMPLETED", done
    assert oms.get(f"/instance/{database}/instance/Customer/d1").status_code == 404
    create(oms, database, "d1")
    assert read(oms, database, "Customer/d1")["version"] == 3


def test_update_and_delete_need_an_expected_seq(oms: httpx2.Client, database: str) -> None:
    create(oms, database, "e1")
    answer = oms.put(f"/instances/{database}/async/Customer/e1/update", json={"data": {"name": "E"}})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "expected_seq"


def test_must_hold_9_link_to_nothing_fails_and_says_why(oms: httpx2.Client, database: str) -> None:
    data = {"product_id": "p9", "name": "Ghostly", "owned_by": "Customer/ghost"}
    answer = oms.post(f"/instances/{database}/async/Product/create", json={"data": data}, headers=WAIT)
    body = answer.json()
    assert answer.status_code == 422 or body["status"] == "FAILED", body
    assert "Customer/ghost" in answer.text
    many = {"product_id": "p10", "name": "Two owners", "owned_by": ["Customer/a", "Customer/b"]}
    refused = oms.post(f"/instances/{database}/async/Product/create", json={"data": many})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "owned_by"


@pytest.mark.parametrize("key", ["a b", "a.b", "a@b", "a/b", "이름", "x" * 255, "a:b%c", "a?b#c&d"])
def test_must_hold_10_natural_keys_of_any_characters_work(oms: httpx2.Client, database: str, key: str) -> None:
    create(oms, database, key)
    quoted = quote(key, safe="")
    path = f"/instances/{database}/async/Customer/{quoted}/update?expected_seq=1"
    answer = oms.put(path, json={"data": {"name": "Renamed"}}, headers=WAIT)
    assert answer.json()["status"] == "COMPLETED", answer.text
    assert read(oms, database, f"Customer/{quoted}")["data"]["name"] == "Renamed"  # type: ignore[index]


def test_must_hold_12_completed_is_visible_at_once(oms: httpx2.Client, database: str) -> None:
    for number in range(10):
        create(oms, database, f"v{number}")
        assert read(oms, database, f"Customer/v{number}")["instance_id"] == f"v{number}"


def test_deleting_what_others_link_to_is_refused(oms: httpx2.Client, database: str) -> None:
    create(oms, database, "own")
    data = {"product_id": "p1", "name": "Held", "owned_by": "Customer/own"}
    oms.post(f"/instances/{database}/async/Product/create", json={"data": data}, headers=WAIT)
    answer = oms.delete(f"/instances/{database}/async/Customer/own/delete?expected_seq=1", headers=WAIT)
    assert answer.json()["status"] == "FAILED"
    assert answer.json()["result"]["code"] == "still_referenced"
