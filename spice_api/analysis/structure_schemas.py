"""Shapes of what is found in sheets."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from spice_api.analysis.schemas import Cell
from spice_api.envelope import Strict
from spice_core.domain.sheets import CellRange, FoundTable, HeaderCell, KeyValue, SheetStructure, TableMode
from spice_core.domain.structure import MOST_COLUMNS, TableCorrection
from spice_core.domain.text_dialects import unique_names
from spice_core.services.analyze_structure import AnalyzedFile, AnalyzedSheet

_LAST = 2**31
_LONGEST_TEXT = 32_767

Place = Annotated[int, Field(ge=0, le=_LAST, description="Counted from 0.")]
Text = Annotated[str, Field(max_length=_LONGEST_TEXT)]
Names = Annotated[list[Annotated[str, Field(min_length=1, max_length=1000)]], Field(max_length=MOST_COLUMNS)]
SheetName = Annotated[str, Field(max_length=255, description="Empty for the grid of a text file.")]
Grid = Annotated[
    list[Annotated[list[Cell], Field(max_length=MOST_COLUMNS)]],
    Field(
        max_length=100_000, description="Rows of cells from the first row on, null where there is nothing; rows may be ragged."
    ),
]


class Box(Strict):
    """A rectangle of cells, both ends included."""

    top: Place
    left: Place
    bottom: Place
    right: Place


Merged = Annotated[list[Box], Field(max_length=100_000, description="Merged cells; the value stands in the first of them.")]


class GridBody(Strict):
    """A grid of cells to look into."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "sheet": "Sales",
                    "data": [["Sales 2024", None], [None, None], ["region", "units"], ["N", 10], ["S", 7], ["Total", 17]],
                }
            ]
        }
    )

    data: Grid
    merged: Merged = Field(default_factory=list)
    sheet: SheetName = ""


class HeaderNode(BaseModel):
    """A text of a header with the texts below it."""

    text: str
    first: int = Field(description="The first column that it heads (of a transposed table or a property list: row).")
    last: int
    children: list["HeaderNode"] = Field(default_factory=list)


class ColumnProvenance(Strict):
    """Where a column comes from."""

    name: Text = Field(description="Unique within the table; the header's texts joined by ` / `.")
    path: list[Text] = Field(max_length=100, description="The header's texts from the top.")
    axis: Literal["column", "row"] = Field(description="`row` in a transposed table or a property list.")
    index: Place = Field(description="The column of the sheet, or the row.")
    letter: str | None = Field(default=None, max_length=10, description="The column as spreadsheets name it.")


class TableBody(Strict):
    """A table in a sheet."""

    number: int = Field(ge=1, le=_LAST, description="From 1; corrections name the table by it.")
    mode: TableMode = Field(description="Records in rows, records in columns, or one record as names with values.")
    bbox: Box = Field(description="Header and records, without title, notes and closing totals.")
    header_rows: int = Field(ge=0, le=100_000, description="Of its first rows; where records are columns, of its first columns.")
    header_tree: list[HeaderNode]
    column_provenance: list[ColumnProvenance] = Field(max_length=MOST_COLUMNS)
    skipped_rows: list[Place] = Field(description="Rows within the box that are no records.")
    title: Text | None = None
    confidence: float = Field(ge=0, le=1)
    reason: Text


class KeyValueBody(Strict):
    """A name with its value, outside of all tables."""

    name: Text
    value: Text
    row: Place
    column: Place


class NoteBody(Strict):
    """A line of text that is of no table."""

    row: Place
    text: Text


class StructureBody(Strict):
    """What is in a sheet."""

    sheet: SheetName
    row_count: int = Field(ge=0, le=_LAST)
    tables: list[TableBody]
    key_values: list[KeyValueBody]
    notes: list[NoteBody]
    sheet_signature: str = Field(pattern="^[0-9a-f]{64}$", description="The same for the next version of the same sheet.")


class FileStructureBody(BaseModel):
    """What is in a file."""

    format: Literal["text", "workbook"]
    sheets: list[StructureBody]


class CorrectionBody(Strict):
    """What a person says of one table; what is left out stays as it was found."""

    table: int = Field(ge=1, le=_LAST, description="The table's number.")
    drop: bool = Field(default=False, description="It is no table.")
    merge_with: int | None = Field(default=None, ge=1, le=_LAST, description="The number of a table that is a part of it.")
    bbox: Box | None = None
    header_rows: int | None = Field(default=None, ge=0, le=100_000)
    mode: TableMode | None = None
    names: Names | None = Field(default=None, description="One for each column.")
    title: Text | None = Field(default=None, description="Empty: no title.")


class PatchBody(Strict):
    """A structure as an analysis answered it, and corrections to it."""

    structure: StructureBody
    corrections: list[CorrectionBody] = Field(max_length=1000)
    data: Grid | None = Field(default=None, description="The cells, so that header texts of changed boxes can be read again.")
    merged: Merged = Field(default_factory=list)


def structure_body(found: AnalyzedSheet) -> StructureBody:
    """Return a sheet's structure as clients read it."""
    structure = found.structure
    return StructureBody(
        sheet=structure.sheet,
        row_count=found.row_count,
        tables=[_table_body(number, table) for number, table in enumerate(structure.tables, start=1)],
        key_values=[
            KeyValueBody(name=_cut(p.name), value=_cut(p.value), row=p.row, column=p.column) for p in structure.key_values
        ],
        notes=[NoteBody(row=row, text=_cut(text)) for row, text in structure.notes],
        sheet_signature=structure.signature,
    )


def file_body(found: AnalyzedFile) -> FileStructureBody:
    """Return the structure of a file as clients read it."""
    return FileStructureBody.model_validate(
        {"format": found.format.value, "sheets": [structure_body(sheet) for sheet in found.sheets]}
    )


def structure_of(body: StructureBody) -> SheetStructure:
    """Return what a client sent back of a structure."""
    return SheetStructure(
        sheet=body.sheet,
        tables=[_table_of(table) for table in body.tables],
        key_values=[KeyValue(pair.name, pair.value, pair.row, pair.column) for pair in body.key_values],
        notes=[(note.row, note.text) for note in body.notes],
        signature=body.sheet_signature,
    )


def range_of(box: Box) -> CellRange:
    """Return the range of a box."""
    return CellRange(box.top, box.left, box.bottom, box.right)


def correction_of(body: CorrectionBody) -> TableCorrection:
    """Return what a client says of a table."""
    return TableCorrection(
        table=body.table,
        drop=body.drop,
        merge_with=body.merge_with,
        bbox=None if body.bbox is None else range_of(body.bbox),
        header_rows=body.header_rows,
        mode=body.mode,
        names=body.names,
        title=body.title,
    )


def _table_body(number: int, table: FoundTable) -> TableBody:
    box, is_upright = table.bbox, table.mode is TableMode.TABLE
    names, _ = unique_names([_cut(" / ".join(cell.path)) for cell in table.columns])
    provenance = [
        ColumnProvenance(
            name=name,
            path=[_cut(text) for text in cell.path],
            axis="column" if is_upright else "row",
            index=cell.column,
            letter=_letter(cell.column) if is_upright else None,
        )
        for name, cell in zip(names, table.columns, strict=True)
    ]
    return TableBody(
        number=number,
        mode=table.mode,
        bbox=Box(top=box.top, left=box.left, bottom=box.bottom, right=box.right),
        header_rows=table.header_rows,
        header_tree=_tree(table.columns, 0),
        column_provenance=provenance,
        skipped_rows=list(table.skipped_rows),
        title=None if table.title is None else _cut(table.title),
        confidence=table.confidence,
        reason=table.reason,
    )


def _table_of(body: TableBody) -> FoundTable:
    return FoundTable(
        mode=body.mode,
        bbox=range_of(body.bbox),
        header_rows=body.header_rows,
        columns=[HeaderCell(tuple(column.path), column.index) for column in body.column_provenance],
        confidence=body.confidence,
        reason=body.reason,
        title=body.title,
        skipped_rows=body.skipped_rows,
    )


def _tree(cells: Sequence[HeaderCell], depth: int) -> list[HeaderNode]:
    """The header's texts at a depth, neighbours of one text as one node."""
    groups: list[list[HeaderCell]] = []
    for cell in cells:
        if len(cell.path) <= depth:
            continue
        if groups and groups[-1][-1].path[depth] == cell.path[depth] and groups[-1][-1].column == cell.column - 1:
            groups[-1].append(cell)
        else:
            groups.append([cell])
    return [
        HeaderNode(
            text=_cut(group[0].path[depth]), first=group[0].column, last=group[-1].column, children=_tree(group, depth + 1)
        )
        for group in groups
    ]


def _cut(text: str) -> str:
    return text[:_LONGEST_TEXT]


def _letter(column: int) -> str:
    letters = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters
