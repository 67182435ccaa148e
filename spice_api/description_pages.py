"""The pages of `/docs` and `/redoc`. Their scripts come from an installed package: a browser asks nobody but the app."""

from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Request
from fastapi import Path as PathParameter
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from fastapi.responses import FileResponse, HTMLResponse

Asset = Literal["swagger-ui-bundle.js", "swagger-ui.css", "redoc.standalone.js", "favicon.png"]
ASSETS = "/docs/assets"
_DAY_SECONDS = 86_400
router = APIRouter(include_in_schema=False)


@router.get("/docs")
async def swagger_ui(request: Request) -> HTMLResponse:
    """Return the page in which operations can be tried."""
    return get_swagger_ui_html(
        openapi_url=_under_root(request, "/openapi.json"),
        title=request.app.title,
        swagger_js_url=_under_root(request, f"{ASSETS}/swagger-ui-bundle.js"),
        swagger_css_url=_under_root(request, f"{ASSETS}/swagger-ui.css"),
        swagger_favicon_url=_under_root(request, f"{ASSETS}/favicon.png"),
    )


@router.get("/redoc")
async def redoc(request: Request) -> HTMLResponse:
    """Return the page for reading."""
    return get_redoc_html(
        openapi_url=_under_root(request, "/openapi.json"),
        title=request.app.title,
        redoc_js_url=_under_root(request, f"{ASSETS}/redoc.standalone.js"),
        redoc_favicon_url=_under_root(request, f"{ASSETS}/favicon.png"),
        with_google_fonts=False,
    )


@router.get(f"{ASSETS}/{{name}}")
def asset(name: Annotated[Asset, PathParameter()]) -> FileResponse:
    """Return a script, style or picture of the pages."""
    with as_file(files("fastapi_offline") / "static" / name) as path:
        return FileResponse(Path(path), headers={"Cache-Control": f"max-age={_DAY_SECONDS}"})


def _under_root(request: Request, path: str) -> str:
    return f"{request.scope.get('root_path', '')}{path}"
