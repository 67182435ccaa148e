"""How a table comes in: a function per kind of source, each of which brings the dataset `orders` to what the rows say."""

import io
import json
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import httpx2
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import xlsxwriter
from google_server import GoogleServer, Sheet, Spreadsheet
from running import Running

from spice_core.bootstrap.engines import object_store_of
from spice_core.settings import load_settings
from tests.data_world import csv_of

COLUMNS = ("order_id", "shop", "amount")
WAIT = {"Prefer": "wait=30"}
API_KEY, PASSWORD = "key-of-public-sheets", "pw-of-the-sales-reader"
UPSERT = """
INSERT INTO {} AS old (order_id, shop, amount) VALUES (%s, %s, %s)
ON CONFLICT (order_id) DO UPDATE SET shop = excluded.shop, amount = excluded.amount, changed = clock_timestamp()
WHERE (old.shop, old.amount) IS DISTINCT FROM (excluded.shop, excluded.amount)
"""
Row = tuple[str, str, str]


@dataclass(frozen=True)
class Site:
    """A database of one test on a running platform, and the places outside of it that its data come from."""

    running: Running
    bff: httpx2.Client
    google: GoogleServer
    sales: str
    database: str

    @property
    def dataset_id(self) -> str:
        return f"{self.database}:main:orders"

    def versions(self) -> list[dict[str, Any]]:
        return versions(self.bff, self.dataset_id)


Bring = Callable[[Site, Sequence[Row]], None]


def versions(bff: httpx2.Client, dataset_id: str) -> list[dict[str, Any]]:
    """The versions of a dataset, newest first; none where there is no dataset."""
    answer = bff.get(f"/pipelines/datasets/{quote(dataset_id, safe='')}/versions")
    return answer.json()["data"]["versions"] if answer.status_code == 200 else []


def until(look: Callable[[], Any]) -> Any:
    """Look again and again for up to a minute, until there is something."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.1)
    raise AssertionError("it did not come")


def saved(answer: httpx2.Response) -> dict[str, Any]:
    """The result of a command that is completed."""
    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == "COMPLETED", answer.text
    found: dict[str, Any] = answer.json()["result"]
    return found


def host_of(dsn: str) -> str:
    """The directory of the socket that a DSN names."""
    return parse_qs(urlsplit(dsn).query)["host"][0]


def cli(running: Running, *words: str) -> str:
    """Run `spice` beside a platform; return what it printed."""
    code, said = running.spice(*words)
    assert code == 0, said
    return said


def csv_file(site: Site, rows: Sequence[Row]) -> None:
    _upload(site, "csv-upload", "orders.csv", csv_of(COLUMNS, rows).encode())


def json_lines_file(site: Site, rows: Sequence[Row]) -> None:
    lines = (dict(zip(COLUMNS, (order, shop, float(amount)), strict=True)) for order, shop, amount in rows)
    _upload(site, "upload", "orders.jsonl", b"".join(json.dumps(line).encode() + b"\n" for line in lines))


def parquet_file(site: Site, rows: Sequence[Row]) -> None:
    orders, shops, amounts = zip(*rows, strict=True)
    decimals = pa.array(amounts).cast(pa.decimal128(9, 2))
    out = io.BytesIO()
    pq.write_table(pa.table(dict(zip(COLUMNS, (orders, shops, decimals), strict=True))), out)
    _upload(site, "upload", "orders.parquet", out.getvalue())


def messy_workbook(site: Site, rows: Sequence[Row]) -> None:
    """A title, headers of two rows with merged cells, decimal commas in text, a footnote, a smaller table below."""
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True})
    sheet = book.add_worksheet("Orders")
    sheet.write(0, 0, "Monthly report of the shop")
    sheet.merge_range(3, 0, 3, 1, "Order", book.add_format({"bold": True}))
    sheet.write(3, 2, "Money")
    for column, name in enumerate(("number", "shop", "amount")):
        sheet.write(4, column, name)
    for at, (order, shop, amount) in enumerate(rows):
        for column, value in enumerate((order, shop, amount.replace(".", ","))):
            sheet.write(5 + at, column, value)
    sheet.write(6 + len(rows), 0, "* amounts without tax")
    book.close()
    _upload(site, "excel-upload", "orders.xlsx", out.getvalue())


def watched_folder(site: Site, rows: Sequence[Row]) -> None:
    folder = Path(site.running.environment["SPICE_WATCH_ROOTS"].split(",")[0]) / site.database
    folder.mkdir(exist_ok=True)
    (folder / f"orders {len(site.versions())}.csv").write_text(csv_of(COLUMNS, rows))
    _look(site, str(folder))


def watched_prefix(site: Site, rows: Sequence[Row]) -> None:
    key = f"inbox/{site.database}/{len(site.versions())}.csv"
    settings = load_settings(_env_file=None, **site.running.environment)
    with closing(object_store_of(settings)) as store:
        store.put_if_absent(key, csv_of(COLUMNS, rows).encode())
    _look(site, f"objects:inbox/{site.database}")


def google_sheet(site: Site, rows: Sequence[Row]) -> None:
    file = f"{site.database}_0123456789"
    cells = [[*COLUMNS], *([order, shop, float(amount)] for order, shop, amount in rows)]
    if file in site.google.files:
        site.google.edit(file, 0, cells)
    else:
        site.google.api_keys.add(API_KEY)
        site.google.files[file] = Spreadsheet("Orders", [Sheet(0, "Orders", cells)], is_public=True)
        config = {"config": {"spreadsheets": file}, "secrets": {"api_key": API_KEY}}
        _connect(site, {"name": "sheets", "kind": "google_sheets", **config}, {"key": f"{file}/0"})
    _sync(site)


def sql_table(site: Site, rows: Sequence[Row]) -> None:
    """A table with a watermark: what did not change keeps its time, and what goes is not seen by what reads news only."""
    table = f"orders_of_{site.database}"
    with psycopg.connect(site.sales, autocommit=True) as sales:
        columns = "order_id text PRIMARY KEY, shop text, amount numeric(9, 2), changed timestamptz DEFAULT clock_timestamp()"
        is_new = sales.execute("SELECT to_regclass(%s)", [table]).fetchone() != (table,)
        sales.execute(f"CREATE TABLE IF NOT EXISTS {table} ({columns})")  # type: ignore[arg-type]
        sales.cursor().executemany(UPSERT.format(table), rows)  # type: ignore[arg-type]
    if is_new:
        name, host = urlsplit(site.sales).path[1:], quote(host_of(site.sales), safe="")
        url = f"postgresql://postgres:{PASSWORD}@/{name}?host={host}&sslmode=disable"
        body = {"name": "sales", "kind": "sql", "config": {"url": url}}
        read = {"key": f"public.{table}", "key_columns": ["order_id"], "watermark_column": "changed", "overlap": 0}
        _connect(site, body, read)
    _sync(site)


def _upload(site: Site, route: str, filename: str, content: bytes) -> None:
    answer = site.bff.post(
        f"/pipelines/datasets/{route}?db_name={site.database}",
        files={"file": (filename, content, "application/octet-stream")},
        data={"dataset_name": "orders"},
        headers={"Idempotency-Key": f"{filename} {len(site.versions())}"},
    )
    assert answer.status_code == 200, answer.text


def _look(site: Site, place: str) -> None:
    """Watch a place, and look at it once."""
    body = {"place_id": "inbox", "place": place, "dataset": "orders", "stable_seconds": 0}
    saved(site.bff.post(f"/pipelines/watched-places?db_name={site.database}", json=body, headers=WAIT))
    cli(site.running, "dataset", "watch")


def _connect(site: Site, connection: dict[str, Any], source: dict[str, Any]) -> None:
    params = {"db_name": site.database}
    made = saved(site.bff.post("/connectors/connections", params=params, json=connection, headers=WAIT))["connection_id"]
    body = {"connection_id": made, "dataset_name": "orders", "polling_interval_seconds": 3600, **source}
    saved(site.bff.post("/connectors/sources", params=params, json=body, headers=WAIT))


def _sync(site: Site) -> None:
    """Sync the source now, waiting where the worker is at it."""
    wanted = len(site.versions())

    def look() -> bool:
        url = f"/connectors/sources/{quote(site.dataset_id, safe='')}/sync"
        answer = site.bff.post(url, headers=WAIT)
        assert (answer.status_code, answer.json()["status"]) == (200, "succeeded"), answer.text
        return answer.json()["sync"]["result"] != "busy" or len(site.versions()) > wanted

    until(look)
