"""How commands answer: tables and lines for people, one JSON value for machines, progress on a terminal only."""

import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, Literal

import orjson
from cyclopts import Parameter
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

AsJson = Annotated[bool, Parameter(name="--json", negative="", help="Print one JSON value instead of text.")]


def _require_name(_type: object, value: str | None) -> None:
    if value == "":
        raise ValueError("--db is empty: name a database (`spice db list`)")


Database = Annotated[str, Parameter(name=["--db", "-d"], help="The database.", validator=_require_name)]
Branch = Annotated[str, Parameter(name=["--branch", "-b"], help="The branch.")]
Limit = Annotated[int, Parameter(name=["--limit", "-n"], help="At most this many.")]


def console() -> Console:
    """Return the console of standard output as it is now."""
    return Console(soft_wrap=True, highlight=False)


def folding_console() -> Console:
    """Return the console of standard output for what has a shape, a tree or a box: long text is folded into it, never cut."""
    return Console(highlight=False)


def print_json(value: object) -> None:
    """Print `value` as JSON, dates and dataclasses included."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z
    sys.stdout.write(orjson.dumps(value, default=_jsonable, option=options).decode() + "\n")
    sys.stdout.flush()


def print_json_line(value: object) -> None:
    """Print `value` as JSON on one line."""
    options = orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z
    sys.stdout.write(orjson.dumps(value, default=_jsonable, option=options).decode() + "\n")
    sys.stdout.flush()


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None, whole: Collection[str] = ()
) -> None:
    """Print `rows` under `columns`; numbers stand to the right. Columns in `whole` are never folded: they can be copied."""
    kept = [list(row) for row in rows]
    table = Table(title=title, title_justify="left", title_style="bold", header_style="dim", box=None, pad_edge=False)
    for number, name in enumerate(columns):
        is_number = bool(kept) and all(isinstance(row[number], int | float) for row in kept)
        least = max((len(str(row[number])) for row in kept), default=0) if name in whole else None
        justify: Literal["right", "left"] = "right" if is_number else "left"
        table.add_column(name, justify=justify, overflow="fold", no_wrap=name in whole, min_width=least)
    for row in kept:
        table.add_row(*(shown(value) for value in row))
    folding_console().print(table)


def shown(value: object) -> str:
    """Return `value` as people read it, safe to print with markup on."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.1f}"
    return str(value).replace("[", r"\[")


@contextmanager
def progress(label: str, *, total: int | None = None) -> Iterator[Progress | None]:
    """Show a bar named `label` on a terminal; elsewhere nothing, and the value is None."""
    screen = Console(stderr=True)
    if not screen.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=screen, transient=True) as bar:
        bar.add_task(label, total=total)
        yield bar


def _jsonable(value: object) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset | tuple | Iterable):
        return list(value)
    return str(value)
