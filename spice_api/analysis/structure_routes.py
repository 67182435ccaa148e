"""Finding tables in sheets and files, and correcting what was found. Nothing is stored."""

from collections.abc import Iterator
from typing import Annotated, BinaryIO

from fastapi import APIRouter, Depends, File, Form, Request, UploadFile

from spice_api.analysis.structure_schemas import (
    FileStructureBody,
    GridBody,
    PatchBody,
    StructureBody,
    correction_of,
    file_body,
    range_of,
    structure_body,
    structure_of,
)
from spice_api.dependencies import PlatformDep
from spice_api.edge import edge_of
from spice_api.json_route import StrictJsonRoute
from spice_core.bootstrap import state_directory
from spice_core.services.analyze_structure import AnalyzedSheet, AnalyzeStructure, sheet_of

router = APIRouter(prefix="/api/v1/funnel/structure", tags=["analysis"], route_class=StrictJsonRoute)

_CHUNK = 1 << 20


async def structures_of(platform: PlatformDep) -> AnalyzeStructure:
    """Return what finds tables."""
    return AnalyzeStructure(
        sources=platform.source_files,
        scratch=state_directory(platform.settings) / "scratch",
        max_bytes=platform.settings.max_upload_bytes,
    )


StructuresDep = Annotated[AnalyzeStructure, Depends(structures_of)]


@router.post("/analyze")
def analyze_grid(body: GridBody, structures: StructuresDep) -> StructureBody:
    """Find the tables in a grid of cells, the names with values outside of them, and the notes. Suggestions, never a gate."""
    return structure_body(structures.of_cells(body.data, merged=[range_of(box) for box in body.merged], name=body.sheet))


@router.post("/analyze/excel")
def analyze_file(
    request: Request,
    structures: StructuresDep,
    file: Annotated[UploadFile, File(description="A workbook (xlsx, xls, ods) or a text table; told by its content.")],
    sheet: Annotated[str | None, Form(max_length=255, description="Left out: all sheets that are not hidden or empty.")] = None,
) -> FileStructureBody:
    """Find the tables in every sheet of a workbook, or in a text file."""
    with edge_of(request.scope).uploads.required_place():
        return file_body(structures.of_file(_chunks(file.file), sheet=sheet))


@router.post("/patch")
def patch(body: PatchBody, structures: StructuresDep) -> StructureBody:
    """Apply a person's corrections to a structure that an analysis answered; the numbers of tables are those it came with.

    The answer numbers the tables anew.
    """
    sheet = None
    if body.data is not None:
        sheet = sheet_of(body.data, merged=[range_of(box) for box in body.merged], name=body.structure.sheet)
    corrections = [correction_of(correction) for correction in body.corrections]
    patched = structures.patch(structure_of(body.structure), corrections, sheet=sheet)
    return structure_body(AnalyzedSheet(patched, body.structure.row_count))


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK):
        yield chunk
