"""Uploading tables over HTTP."""

import json
from http.client import HTTPConnection
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from running import Running

CSV = b"product_id,name,price,stock\np1,Shirt,9.50,3\np2,Hat,12.00,\np3,Sock,1.25,100\n"


def upload(
    bff: httpx2.Client,
    database: str,
    content: bytes = CSV,
    *,
    key: str | None = "k1",
    filename: str = "products.csv",
    **form: str,
) -> httpx2.Response:
    headers = {"Idempotency-Key": key} if key else {}
    files = {"file": (filename, content, "text/csv")}
    return bff.post(f"/pipelines/datasets/csv-upload?db_name={database}", files=files, data=form, headers=headers)


def test_upload_becomes_a_typed_version(bff: httpx2.Client, database: str) -> None:
    answer = upload(bff, database)
    assert answer.status_code == 200, answer.text
    data: dict[str, Any] = answer.json()["data"]
    types = {column["name"]: column["type"] for column in data["version"]["columns"]}
    assert types == {"product_id": "string", "name": "string", "price": "decimal", "stock": "integer"}
    assert (data["version"]["number"], data["version"]["row_count"], data["version"]["reject_count"]) == (1, 3, 0)
    assert ["product_id"] in data["version"]["primary_key_candidates"]
    assert data["preview"]["rows"][0] == {"product_id": "p1", "name": "Shirt", "price": "9.50", "stock": 3}
    dataset = quote(data["dataset"]["dataset_id"], safe="")
    assert bff.get(f"/pipelines/datasets/{dataset}").json()["data"]["name"] == "products"
    assert len(bff.get(f"/pipelines/datasets?db_name={database}").json()["data"]["datasets"]) == 1
    version = data["version"]["version_id"]
    shown = bff.get(f"/pipelines/datasets/{dataset}/versions/{version}/preview?offset=1&limit=1").json()["data"]
    assert [row["product_id"] for row in shown["rows"]] == ["p2"]
    text = bff.get(f"/pipelines/datasets/{dataset}/versions/{version}/download").text
    assert text.splitlines()[1] == "p1,Shirt,9.50,3"


def test_keys_and_references_of_datasets_are_found(bff: httpx2.Client, database: str) -> None:
    products = upload(bff, database).json()["data"]["dataset"]["dataset_id"]
    lines = b"line,product_id,count\n1,p1,5\n2,p2,6\n3,p1,7\n4,p3,9\n5,p2,6\n"
    orders = upload(bff, database, lines, key="k2", filename="order_lines.csv").json()["data"]["dataset"]["dataset_id"]
    keys = bff.get(f"/pipelines/datasets/{quote(orders, safe='')}/references").json()["data"]
    assert ["line"] in keys["primary_key_candidates"]
    found = [(item["columns"], item["target_dataset_id"], item["target_columns"]) for item in keys["references"]]
    assert found == [(["product_id"], products, ["product_id"])]
    assert (keys["references"][0]["given"], keys["references"][0]["found"], keys["references"][0]["coverage"]) == (5, 5, 1.0)
    listed = bff.get("/pipelines/datasets/references", params={"db_name": database}).json()["data"]["datasets"]
    assert {item["dataset_id"]: len(item["references"]) for item in listed} == {products: 0, orders: 1}
    assert bff.get(f"/pipelines/datasets/{database}:main:nothing/references").status_code == 404
    assert bff.get("/pipelines/datasets/references", params={"db_name": "nowhere"}).status_code == 404


def test_media_files_become_rows_whose_bytes_can_be_downloaded(bff: httpx2.Client, database: str) -> None:
    png, pdf = b"\x89PNG\r\n\x1a\n" + bytes(2000), b"%PDF-1.7\n" + b"x" * 5000
    files = [("file", ("../cat.png", png, "text/html")), ("file", ("보고서.pdf", pdf, "image/png"))]
    route, headers = f"/pipelines/datasets/media-upload?db_name={database}", {"Idempotency-Key": "m1"}
    answer = bff.post(route, files=files, data={"dataset_name": "photos"}, headers=headers)
    assert answer.status_code == 200, answer.text
    data = answer.json()["data"]
    assert (data["dataset"]["source_type"], data["version"]["row_count"], data["schema_status"]) == ("media", 2, "PENDING")
    rows = data["preview"]["rows"]
    assert [(row["name"], row["media_type"]) for row in rows] == [("cat.png", "image/png"), ("보고서.pdf", "application/pdf")]
    dataset, version = quote(data["dataset"]["dataset_id"], safe=""), data["version"]["version_id"]
    for row, content in zip(rows, (png, pdf), strict=True):
        got = bff.get(f"/pipelines/datasets/{dataset}/versions/{version}/{row['reference']}")
        assert (got.content, got.headers["content-type"]) == (content, row["media_type"])
        assert got.headers["content-disposition"].startswith("attachment; ")
        assert (got.headers["x-content-type-options"], got.headers["etag"]) == ("nosniff", f'"{row["sha256"]}"')
    assert bff.get(f"/pipelines/datasets/{dataset}/versions/{version}/media/3").status_code == 404
    again = bff.post(route, files=files, data={"dataset_name": "photos"}, headers=headers)
    assert again.json()["data"]["version"]["version_id"] == version
    table = bff.post(route, files=[("file", ("a.png", CSV))], headers={"Idempotency-Key": "m2"})
    assert (table.status_code, table.json()["code"]) == (400, "unreadable_file")
    assert bff.post(route, files=files).status_code == 400


def test_must_hold_28_upload_is_idempotent_by_its_key(bff: httpx2.Client, database: str) -> None:
    first = upload(bff, database).json()["data"]["version"]["version_id"]
    assert upload(bff, database).json()["data"]["version"]["version_id"] == first
    other = upload(bff, database, CSV + b"p4,Coat,80.00,1\n")
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_mismatch")
    second = upload(bff, database, CSV + b"p4,Coat,80.00,1\n", key="k2").json()["data"]
    assert second["version"]["number"] == 2
    dataset = quote(second["dataset"]["dataset_id"], safe="")
    versions = bff.get(f"/pipelines/datasets/{dataset}/versions").json()["data"]["versions"]
    assert [version["number"] for version in versions] == [2, 1]


def test_file_name_of_any_script_is_taken(bff: httpx2.Client, database: str) -> None:
    names = set()
    for key, filename in (("k1", "매출.csv"), ("k2", "비용.csv"), ("k3", "매출.csv")):
        answer = upload(bff, database, key=key, filename=filename)
        assert answer.status_code == 200, answer.text
        assert answer.json()["data"]["version"]["filename"] == filename
        names.add(answer.json()["data"]["dataset"]["name"])
    assert len(names) == 2


def test_upload_without_a_key_is_400(bff: httpx2.Client, database: str) -> None:
    answer = upload(bff, database, key=None)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_input")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "unreadable_file"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(range(256)) * 8, "unreadable_file"),
    ],
)
def test_what_is_no_table_is_refused_and_leaves_nothing(bff: httpx2.Client, database: str, content: bytes, code: str) -> None:
    answer = upload(bff, database, content)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert bff.get(f"/pipelines/datasets?db_name={database}").json()["data"]["datasets"] == []
    assert upload(bff, database).status_code == 200, "a key whose upload failed may be used again"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp949"])
def test_encodings_are_found_out(bff: httpx2.Client, database: str, encoding: str) -> None:
    text = "id,이름\n" + "".join(f"{number},가나다라마바사 상품 {number}\n" for number in range(50))
    answer = upload(bff, database, text.encode(encoding))
    assert answer.status_code == 200, answer.text
    assert answer.json()["data"]["preview"]["columns"] == ["id", "이름"]
    assert answer.json()["data"]["preview"]["rows"][0]["이름"] == "가나다라마바사 상품 0"


def test_ragged_rows_are_counted_rejects(bff: httpx2.Client, database: str) -> None:
    rows = b"".join(b"%d,x,1\n" % number for number in range(50))
    answer = upload(bff, database, b"a,b,c\n" + rows + b"1,2,3,4,5,6\n7\n")
    data = answer.json()["data"]
    assert data["version"]["row_count"] + data["version"]["reject_count"] == 52
    assert data["version"]["reject_count"] >= 1
    dataset, version = quote(data["dataset"]["dataset_id"], safe=""), data["version"]["version_id"]
    rejects = bff.get(f"/pipelines/datasets/{dataset}/versions/{version}/rejects").json()["data"]["rejects"]
    assert all(reject["reason"] for reject in rejects if "line" in reject)


def test_duplicate_headers_become_distinct_columns(bff: httpx2.Client, database: str) -> None:
    answer = upload(bff, database, b"id,name,name\n1,a,b\n2,c,d\n")
    assert answer.status_code == 200, answer.text
    assert len(set(answer.json()["data"]["preview"]["columns"])) == 3


def test_upload_over_the_limit_is_413(running: Running, bff: httpx2.Client, database: str) -> None:
    limit = bff.get("/config/limits").json()["data"]["max_upload_bytes"]
    headers = {"Idempotency-Key": "big", "Content-Length": str(limit + 1), "Content-Type": "multipart/form-data; boundary=x"}
    connection = HTTPConnection("127.0.0.1", int(running.environment["BFF_PORT"]), timeout=10)
    connection.request("POST", f"/api/v1/pipelines/datasets/csv-upload?db_name={database}", headers=headers)
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["code"]) == (413, "too_large")
    connection.close()


@pytest.mark.parametrize(
    ("database_name", "form", "status"),
    [("ghost", {}, 404), ("Not A Name", {}, 400), (None, {"dataset_name": "no name!"}, 400), (None, {"delimiter": "xx"}, 400)],
)
def test_bad_requests_are_named(
    bff: httpx2.Client, database: str, database_name: str | None, form: dict[str, str], status: int
) -> None:
    answer = upload(bff, database_name or database, **form)
    assert answer.status_code == status, answer.text
    assert upload(bff, database, key="other").status_code == 200


def test_dataset_is_deleted(bff: httpx2.Client, database: str) -> None:
    dataset = quote(upload(bff, database).json()["data"]["dataset"]["dataset_id"], safe="")
    done = bff.delete(f"/pipelines/datasets/{dataset}", headers={"Prefer": "wait=20"})
    assert done.json()["status"] == "COMPLETED", done.text
    assert bff.get(f"/pipelines/datasets/{dataset}").status_code == 404
