"""What the machine-readable description says of every operation: its errors, and the token it needs."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from spice_api.auth import OPEN_PATHS
from spice_api.errors import PROBLEM_JSON

_ERRORS = {
    "400": (
        "BadRequest",
        "The request is not valid: malformed JSON, a name outside the rules, a query that asks for nothing there.",
    ),
    "401": ("Unauthorized", "No token was sent."),
    "403": ("Forbidden", "The token is wrong, or the platform does not allow this."),
    "404": ("NotFound", "The database, branch, class, instance, command or dataset does not exist."),
    "409": ("Conflict", "The request contradicts the present state, for example `expected_seq`. Nothing was changed."),
    "413": ("TooLarge", "The body is over the size limit."),
    "422": ("Unprocessable", "A field is missing, unknown, or of the wrong type; `errors` names each."),
    "429": ("TooManyRequests", "Over the rate limit; `Retry-After` says when to come back."),
    "503": ("Unavailable", "A part of the platform does not answer; `code` names it, `Retry-After` says when to come back."),
}
_SETTLED = "Only after `Prefer: wait=N`: what became of it within that time."
_PROBLEM: dict[str, Any] = {
    "type": "object",
    "title": "Problem",
    "description": "The one shape of every error (RFC 9457 problem details, with fields of our own).",
    "required": ["type", "title", "status", "detail", "instance", "code", "category", "http_status", "retryable", "request_id"],
    "properties": {
        "type": {"type": "string", "examples": ["urn:spice:error:class_not_found"]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {
            "description": "What went wrong and what to do; for a conflict over `expected_seq` an object with both numbers.",
            "anyOf": [{"type": "string"}, {"type": "object"}],
        },
        "instance": {"type": "string", "description": "The path that was asked for."},
        "code": {"type": "string", "description": "Stable; made for programs.", "examples": ["class_not_found"]},
        "category": {"type": "string"},
        "http_status": {"type": "integer"},
        "retryable": {"type": "boolean", "description": "Whether the very same request may succeed later."},
        "request_id": {"type": "string"},
        "message": {"type": "string"},
        "errors": {"type": "array", "items": {"type": "object"}, "description": "One entry per bad field or row."},
        "details": {"type": "object"},
    },
}
_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "adminToken": {"type": "apiKey", "in": "header", "name": "X-Admin-Token"},
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}

_TAGS = {
    "databases": "The unit of isolation: one log, one graph, one search index.",
    "ontology": "Classes with properties, keys, relationships and inheritance.",
    "instances": "Objects of classes: written asynchronously by commands, read at a branch.",
    "commands": "Where an accepted request is: asked once, waited for, or followed.",
    "branches": "Named lines of commits.",
    "versions": "History, differences and ancestry; every change of data is a commit.",
    "graph query": "Following links hop by hop, joined with documents.",
    "search": "Finding documents by text and by typed conditions.",
    "lineage": "Why a node or a link is there.",
    "audit": "Who did what, and who was refused; the chain that proves it.",
    "datasets": "Uploaded tables as immutable versions.",
    "mappings": "How rows become instances, and runs of that.",
    "links": "How links between classes are made from data, and what people put on top of them.",
    "connectors": "Sheets and databases elsewhere that datasets follow.",
    "tasks": "Long work on behalf of a client.",
    "dead letters": "Events that no retry helped.",
    "analysis": "Types of columns, and the tables in sheets.",
    "monitoring": "How far everything is.",
    "configuration": "The settings in effect.",
    "health": "Without a token: whether the app and the parts behind it answer.",
}


def install_openapi(app: FastAPI) -> None:
    """Give `app` a description that lists the common errors and the accepted tokens."""

    def describe() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(
                title=app.title,
                version=app.version,
                summary=app.summary,
                description=app.description,
                routes=app.routes,
                tags=app.openapi_tags,
            )
            app.openapi_schema = _completed(schema)
        return app.openapi_schema

    app.openapi = describe  # type: ignore[method-assign]


def _completed(schema: dict[str, Any]) -> dict[str, Any]:
    components = schema.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    schemas["Problem"] = _PROBLEM
    components["securitySchemes"] = _SCHEMES
    components["responses"] = {name: _response(description) for name, description in _ERRORS.values()}
    used = {tag for operations in schema["paths"].values() for item in operations.values() for tag in item.get("tags", ())}
    schema["tags"] = [{"name": name, "description": text} for name, text in _TAGS.items() if name in used]
    for path, operations in schema["paths"].items():
        for operation in operations.values():
            is_open = path in OPEN_PATHS
            if "202" in operation["responses"]:
                operation["responses"].setdefault("200", {**operation["responses"]["202"], "description": _SETTLED})
            operation["security"] = [] if is_open else [{name: []} for name in _SCHEMES]
            for status, (name, _) in _ERRORS.items():
                if not is_open:
                    operation["responses"][status] = {"$ref": f"#/components/responses/{name}"}
    return schema


def _response(description: str) -> dict[str, Any]:
    return {"description": description, "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
