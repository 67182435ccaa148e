"""The one mapping from what went wrong to what a client reads: problem details (RFC 9457) with our own fields."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.types import Scope

from spice_core.errors import Category, OptimisticConcurrencyConflict, RateLimited, SpiceError, Unauthenticated, Unavailable

_log = logging.getLogger(__name__)

PROBLEM_JSON = "application/problem+json"

STATUS: Mapping[Category, int] = {
    "invalid_input": 400,
    "unauthenticated": 401,
    "forbidden": 403,
    "not_found": 404,
    "conflict": 409,
    "too_large": 413,
    "unprocessable": 422,
    "rate_limited": 429,
    "internal": 500,
    "unavailable": 503,
}
_CATEGORY: Mapping[int, Category] = {status: category for category, status in STATUS.items()}
_RETRY_AFTER_SECONDS = 1
_MAX_ERRORS = 200


@dataclass(frozen=True, slots=True)
class Problem:
    """One answer that is not a success. `detail` is text, or an object where clients read numbers from it (409)."""

    status: int
    code: str
    message: str
    category: Category
    retryable: bool = False
    detail: str | Mapping[str, Any] | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    errors: Sequence[Mapping[str, Any]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    more: Mapping[str, Any] = field(default_factory=dict)


def problem_of(error: SpiceError) -> Problem:
    """Return the answer for an error of the tree."""
    details = dict(error.details)
    errors = details.pop("errors", ())
    return Problem(
        status=STATUS[error.category],
        code=error.code,
        message=error.message,
        category=error.category,
        retryable=error.retryable,
        detail=_conflict_detail(error),
        details=details,
        errors=list(errors)[:_MAX_ERRORS] if isinstance(errors, Sequence) and not isinstance(errors, str) else (),
        headers=_headers_of(error),
        more=_rate_of(error),
    )


def problem_response(problem: Problem, scope: Scope) -> Response:
    """Return `problem` as a response to the request of `scope`; it carries the request's id."""
    request_id = scope.get("state", {}).get("request_id", "")
    body = {
        "type": f"urn:spice:error:{problem.code}",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail or problem.message,
        "instance": scope.get("path", ""),
        "code": problem.code,
        "category": problem.category,
        "http_status": problem.status,
        "retryable": problem.retryable,
        "request_id": request_id,
        "message": problem.message,
        "errors": list(problem.errors),
        "details": dict(problem.details),
        **problem.more,
    }
    content = orjson.dumps(body, default=str, option=orjson.OPT_NON_STR_KEYS)
    return Response(content, status_code=problem.status, media_type=PROBLEM_JSON, headers=dict(problem.headers))


def install_error_handlers(app: FastAPI) -> None:
    """Make every error of `app`, the framework's own included, answer in the one shape."""
    app.add_exception_handler(SpiceError, _on_spice_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_exception)


def unforeseen() -> Problem:
    """Return the answer for an error that nobody named: it tells nothing of the inside."""
    return Problem(500, "internal_error", "Something went wrong inside; quote the request id to an operator.", "internal")


def _on_spice_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, SpiceError):
        raise error
    if error.category != "internal":
        return problem_response(problem_of(error), request.scope)
    _log.error("internal error, request id %s", request.state.request_id, exc_info=error)
    return problem_response(unforeseen(), request.scope)


def _on_invalid_request(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    found = error.errors()
    if any(item["type"] == "json_invalid" for item in found):
        reason = next(str(item.get("ctx", {}).get("error", "")) for item in found if item["type"] == "json_invalid")
        problem = Problem(400, "malformed_json", f"The body is not valid JSON: {reason}", "invalid_input")
    else:
        errors = list(_field_errors(found))
        named = "; ".join(f"{item['field']}: {item['message']}" for item in errors[:3])
        more = f" (and {len(errors) - 3} more)" if len(errors) > 3 else ""
        problem = Problem(422, "invalid_request", f"The request is not valid: {named}{more}", "unprocessable", errors=errors)
    return problem_response(problem, request.scope)


def _field_errors(found: Iterable[Any]) -> Iterable[dict[str, Any]]:
    for item in list(found)[:_MAX_ERRORS]:
        where, *path = item["loc"]
        yield {
            "field": ".".join(str(part) for part in path) or str(where),
            "in": str(where),
            "message": item["msg"],
            "code": item["type"],
        }


def _on_http_exception(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    status = error.status_code
    phrase = HTTPStatus(status).phrase
    category = _CATEGORY.get(status, "invalid_input" if status < 500 else "internal")
    code = phrase.lower().replace(" ", "_").replace("-", "_")
    message = f"{request.method} {request.url.path}: {phrase.lower()}" if error.detail == phrase else str(error.detail)
    return problem_response(Problem(status, code, message, category, headers=dict(error.headers or {})), request.scope)


def _conflict_detail(error: SpiceError) -> Mapping[str, Any] | None:
    if not isinstance(error, OptimisticConcurrencyConflict):
        return None
    return {"error": error.code, **error.details}


def _rate_of(error: SpiceError) -> dict[str, Any]:
    """Return the fields by which clients of the rate limit know it."""
    if not isinstance(error, RateLimited) or "window" not in error.details:
        return {}
    return {"error": "Rate limit exceeded", **{name: error.details[name] for name in ("retry_after", "limit", "window")}}


def _headers_of(error: SpiceError) -> dict[str, str]:
    if isinstance(error, Unauthenticated):
        return {"WWW-Authenticate": "Bearer"}
    if isinstance(error, RateLimited | Unavailable):
        return {"Retry-After": str(max(1, int(error.details.get("retry_after", _RETRY_AFTER_SECONDS))))}
    return {}
