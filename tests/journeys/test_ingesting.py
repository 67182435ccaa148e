"""Files of every format over HTTP: what they become, what is on record of them, and what people correct."""

import io
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlsxwriter
from running import Running

CSV = b"product_id,name,price,stock\np1,Shirt,9.50,3\np2,Hat,12.00,\np3,Sock,1.25,100\n"
TSV = CSV.replace(b",", b"\t")
JSON_LINES = b"".join(
    json.dumps({"product_id": f"p{number}", "name": "Hat", "price": number / 4, "stock": number}).encode() + b"\n"
    for number in range(1, 21)
)


def parquet() -> bytes:
    out = io.BytesIO()
    columns = {"product_id": ["1", "2", "3"], "name": ["NA", "", None], "stock": pa.array([1, None, 3], pa.int64())}
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


def workbook(*, extra: bool = False) -> bytes:
    """Two sheets: orders below a preamble and above a footnote; shops beside a second, smaller table."""
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True})
    sheet = book.add_worksheet("Orders")
    sheet.write(0, 0, "Monthly report of the shop")
    for column, name in enumerate(["order", "customer", "amount", "shipped"]):
        sheet.write(3, column, name)
    for row in range(12 + extra):
        for column, value in enumerate([f"o{row}", f"Customer {row % 5}", 10.5 * row, f"2024-01-{row + 1:02d}"]):
            sheet.write(4 + row, column, value)
    sheet.write(19, 0, "* amounts without tax")
    shops = book.add_worksheet("Shops")
    for row, values in enumerate([["code", "city", "staff"], *[[f"S{number}", f"City {number}", number] for number in range(5)]]):
        for column, value in enumerate(values):
            shops.write(row, column, value)
    book.close()
    return out.getvalue()


def send(
    bff: httpx2.Client, database: str, content: bytes, filename: str, *, key: str = "k1", route: str = "upload", **form: str
) -> httpx2.Response:
    files = {"file": (filename, content, "application/octet-stream")}
    url = f"/pipelines/datasets/{route}?db_name={database}"
    return bff.post(url, files=files, data=form, headers={"Idempotency-Key": key})


def sent(bff: httpx2.Client, database: str, content: bytes, filename: str, **options: Any) -> dict[str, Any]:
    answer = send(bff, database, content, filename, **options)
    assert answer.status_code == 200, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


def of_version(bff: httpx2.Client, version: dict[str, Any], what: str) -> httpx2.Response:
    dataset = quote(version["dataset_id"], safe="")
    answer = bff.get(f"/pipelines/datasets/{dataset}/versions/{version['version_id']}/{what}")
    assert answer.status_code == 200, answer.text
    return answer


def types(version: dict[str, Any]) -> dict[str, str]:
    return {column["name"]: column["type"] for column in version["columns"]}


@pytest.mark.parametrize(
    ("filename", "content", "expected"),
    [
        ("products.csv", CSV, ("csv", 3)),
        ("products.tsv", TSV, ("csv", 3)),
        ("products.jsonl", JSON_LINES, ("json_lines", 20)),
        ("products.xlsx", CSV, ("csv", 3)),
    ],
)
def test_a_file_is_what_its_content_says_it_is(
    bff: httpx2.Client, database: str, filename: str, content: bytes, expected: tuple[str, int]
) -> None:
    data = sent(bff, database, content, filename)
    assert (data["dataset"]["source_type"], data["version"]["row_count"]) == expected
    assert types(data["version"]) == {"product_id": "string", "name": "string", "price": "decimal", "stock": "integer"}


def test_columns_of_a_parquet_file_keep_their_types_and_words(bff: httpx2.Client, database: str) -> None:
    data = sent(bff, database, parquet(), "products.parquet")
    assert types(data["version"]) == {"product_id": "string", "name": "string", "stock": "integer"}
    assert data["preview"]["rows"][0] == {"product_id": "1", "name": "NA", "stock": 1}
    assert data["dataset"]["source_type"] == "parquet"


def test_every_table_of_a_workbook_becomes_a_dataset_and_stays_it(bff: httpx2.Client, database: str) -> None:
    data = sent(bff, database, workbook(), "report.xlsx", route="excel-upload")
    found = {table["dataset"]["name"]: table["version"] for table in data["tables"]}
    assert set(found) == {"report", "report_Shops"}
    orders = found["report"]
    assert types(orders) == {"order": "string", "customer": "string", "amount": "decimal", "shipped": "date"}
    assert (orders["row_count"], orders["region"]["sheet"], orders["region"]["bbox"][:2]) == (12, "Orders", [3, 0])
    assert orders["region"]["title"] == "Monthly report of the shop"
    assert any("amounts without tax" in note for note in orders["notes"])
    again = sent(bff, database, workbook(extra=True), "report.xlsx", route="excel-upload", key="k2", dataset_name="report")
    assert {table["dataset"]["name"]: table["version"]["number"] for table in again["tables"]} == {"report": 2, "report_Shops": 2}
    assert again["version"]["row_count"] == 13
    only = sent(bff, database, workbook(), "shops.xlsx", route="excel-upload", key="k3", sheet="Shops")
    assert [table["dataset"]["name"] for table in only["tables"]] == ["shops"]
    refused = send(bff, database, workbook(), "shops.xlsx", route="excel-upload", key="k4", sheet="Nowhere")
    assert (refused.status_code, refused.json()["details"]["sheets"]) == (400, ["Orders", "Shops"])


def test_a_failed_upload_is_on_record_with_what_to_do_and_is_listed_by_state(bff: httpx2.Client, database: str) -> None:
    refused = send(bff, database, b"PK\x03\x04" + b"\x00" * 100, "broken.xlsx", route="excel-upload")
    assert (refused.status_code, refused.json()["code"]) == (400, "unreadable_file")
    listed = bff.get(f"/pipelines/ingest-requests?db_name={database}&state=FAILED").json()["data"]["requests"]
    assert [(entry["state"], entry["error"]["code"]) for entry in listed] == [("FAILED", "unreadable_file")]
    assert "send it again" in listed[0]["error"]["advice"]
    request = listed[0]["ingest_request_id"]
    assert sent(bff, database, CSV, "broken.xlsx", route="excel-upload")["ingest_request_id"] == request
    one = bff.get(f"/pipelines/ingest-requests/{request}?db_name={database}").json()["data"]
    assert (one["state"], one["attempts"], one["error"]) == ("PUBLISHED", 2, None)
    assert bff.get(f"/pipelines/ingest-requests/nothing?db_name={database}").status_code == 404


def test_an_approved_schema_is_remembered_for_the_next_version(bff: httpx2.Client, database: str) -> None:
    content = b"zip,day,name\n1234,01/02/2024,a\n5678,03/04/2024,b\n9012,05/06/2024,NONE\n"
    data = sent(bff, database, content, "people.csv")
    assert (data["schema_status"], types(data["version"])["zip"]) == ("PENDING", "integer")
    url = f"/pipelines/ingest-requests/{data['ingest_request_id']}/schema/approve?db_name={database}"
    corrections = [
        {"column": "zip", "type": "string", "name": "postcode"},
        {"column": "day", "date_order": "dmy", "type": "date"},
    ]
    answer = bff.post(url, json={"corrections": corrections})
    assert answer.status_code == 200, answer.text
    version = answer.json()["data"]["version"]
    assert (version["number"], answer.json()["data"]["request"]["schema_status"]) == (2, "APPROVED")
    assert types(version) == {"postcode": "string", "day": "date", "name": "string"}
    rows = of_version(bff, version, "sample").json()["data"]["rows"]
    assert rows[0] == {"postcode": "1234", "day": "2024-02-01", "name": "a"}
    assert bff.post(url, json={"corrections": corrections}).json()["data"]["version"]["version_id"] == version["version_id"]
    following = sent(bff, database, content + b"0042,31/12/2024,c\n", "people.csv", key="k2")["version"]
    assert (following["number"], types(following)) == (3, types(version))
    assert any("corrected" in note for note in following["notes"])
    stale = bff.post(url, json={"corrections": [{"column": "name", "type": "string"}]})
    assert (stale.status_code, stale.json()["code"]) == (409, "conflict")
    unknown = bff.post(
        url.replace(data["ingest_request_id"], following["ingest_request_id"]), json={"corrections": [{"column": "x"}]}
    )
    assert unknown.status_code == 400, unknown.text


def test_a_version_tells_its_profile_and_what_changed_since_another(bff: httpx2.Client, database: str) -> None:
    first = sent(bff, database, CSV, "products.csv")["version"]
    second = sent(bff, database, b"product_id,label,price\np1,Shirt,cheap\np2,Hat,dear\n", "products.csv", key="k2")["version"]
    assert first["schema_diff"] == {}
    diff = of_version(bff, second, "schema-diff").json()["data"]
    assert (diff["against"], diff["removed"], diff["is_breaking"]) == (first["version_id"], ["stock"], True)
    assert (diff["types"], diff["renamed"][0]["after"]) == (
        [{"column": "price", "before": "decimal", "after": "string"}],
        "label",
    )
    back = of_version(bff, first, f"schema-diff?against={second['version_id']}").json()["data"]
    assert (back["added"], back["against"]) == (["stock"], second["version_id"])
    profile = of_version(bff, first, "profile").json()["data"]
    assert [column["column_name"] for column in profile["columns"]] == ["product_id", "name", "price", "stock"]
    assert profile["columns"][3]["null_count"] == 1


def test_a_version_is_downloaded_as_csv_without_formulas_and_as_parquet(bff: httpx2.Client, database: str) -> None:
    version = sent(bff, database, b'id,note\n1,"=HYPERLINK(""x"")"\n2,plain\n', "notes.csv")["version"]
    assert '1,"\'=HYPERLINK(""x"")"' in of_version(bff, version, "download?format=csv").text
    table = pq.read_table(io.BytesIO(of_version(bff, version, "download?format=parquet").content))
    assert table.column("note").to_pylist() == ['=HYPERLINK("x")', "plain"]


def test_reconciliation_of_a_healthy_platform_finds_nothing(bff: httpx2.Client, database: str) -> None:
    sent(bff, database, CSV, "products.csv")
    answer = bff.post("/pipelines/ingest-requests/reconcile?limit=1000&stale_seconds=86400")
    assert answer.status_code == 200, answer.text
    assert set(answer.json()["data"]) == {"published", "outbox_repaired", "aborted", "committed_tx", "skipped"}


def test_a_place_that_the_operator_did_not_allow_is_not_watched(bff: httpx2.Client, database: str) -> None:
    url = f"/pipelines/watched-places?db_name={database}"
    for place in ("/etc", "objects:inbox", "../x"):
        refused = bff.post(url, json={"place_id": "inbox", "place": place})
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
        assert "SPICE_WATCH_ROOTS" in refused.json()["detail"]
    assert bff.get(url).json()["data"]["places"] == []
    assert bff.get(f"/pipelines/watched-places/inbox/files?db_name={database}").status_code == 404
    assert bff.delete(f"/pipelines/watched-places/inbox?db_name={database}").status_code == 404


def test_the_command_line_makes_a_class_of_a_dataset_with_links_to_those_before(
    bff: httpx2.Client, running: Running, database: str, tmp_path: Path
) -> None:
    goods, sales = tmp_path / "goods.csv", tmp_path / "sales.csv"
    goods.write_bytes(CSV)
    sales.write_text("sale;product id;sold on\n1;p1;03.03.2024\n2;p3;14.03.2024\n3;p1;14.03.2024\n")
    mappings: list[dict[str, Any]] = []
    for path, class_id in ((goods, "Good"), (sales, "Sale")):
        code, said = running.spice("dataset", "upload", str(path), "--db", database)
        assert (code, "rows, 0 rejected" in said) == (0, True), said
        code, said = running.spice("dataset", "suggest", path.stem, "--db", database)
        assert (code, f"class {class_id}" in said) == (0, True), said
        code, said = running.spice("dataset", "suggest", path.stem, "--db", database, "--accept", "--json")
        assert (code, [status["state"] for status in json.loads(said)["accepted"].values()]) == (0, ["COMPLETED"] * 2), said
        mappings.append(json.loads(said)["mapping"])
    assert [item["target"] for item in json.loads(said)["class_definition"]["relationships"]] == ["Good"]
    code, said = running.spice("dataset", "suggest", "sales", "--db", database, "--accept")
    assert (code, "class of" in said, "done mapping of Sale" in said) == (0, False, True), said
    specs, sales_only = "/objectify/mapping-specs", {"db_name": database, "dataset_id": mappings[1]["dataset_id"]}
    [saved] = bff.get(specs, params=sales_only).json()["data"]["mappings"]
    edited = {name: saved[name] for name in ("dataset_id", "target_class_id", "mappings")} | {"on_removed_row": "keep"}
    bff.post(specs, json=edited, headers={"Prefer": "wait=20"}).raise_for_status()
    code, said = running.spice("dataset", "suggest", "sales", "--db", database, "--accept")
    assert (code, "already_exists" in said, "--overwrite" in said) == (1, True, True), said
    assert bff.get(specs, params=sales_only).json()["data"]["mappings"][0]["on_removed_row"] == "keep"
    code, said = running.spice("dataset", "suggest", "sales", "--db", database, "--accept", "--overwrite")
    assert (code, "done mapping of Sale" in said) == (0, True), said
    for mapping in mappings:
        place = f"/objectify/datasets/{quote(mapping['dataset_id'], safe='')}/run"
        done = bff.post(place, json={"mapping_id": mapping["mapping_id"]}, headers={"Prefer": "wait=30"})
        assert done.json()["status"] == "succeeded", done.text
    code, said = running.spice("why", "Sale/1", "--db", database)
    assert (code, "row 1 of sales.csv" in said) == (0, True), said
    code, said = running.spice("dataset", "suggest", "nothing", "--db", database)
    assert (code, "dataset_not_found" in said) == (1, True), said
