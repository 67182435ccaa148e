"""HTTP to Google: one pool, JSON both ways, repetition of what may pass, and every failure as an error of ours."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2

from spice_core.adapters.google_sheets.options import GoogleOptions
from spice_core.errors import InvalidSource, SourceGone, SourceNotAuthorized, SourceUnavailable
from spice_core.ports.clock import Clock
from spice_core.ports.id_source import IdSource

_BUSY = frozenset({408, 429, 500, 502, 503, 504})
_RATE_REASONS = frozenset({"rateLimitExceeded", "userRateLimitExceeded", "dailyLimitExceeded", "RATE_LIMIT_EXCEEDED"})
_FIRST_SECONDS = 0.5
_DIGITS = re.compile(r"\d{1,9}")


@dataclass(frozen=True, slots=True)
class Answer:
    """What Google said: the status, the JSON body (numbers as they were written), and how long it wants to be left alone."""

    status: int
    body: Mapping[str, Any]
    retry_after: float | None = None

    @property
    def message(self) -> str:
        """Why a request was refused, in Google's words."""
        error = self.body.get("error")
        if isinstance(error, Mapping):
            return str(error.get("message", self.status))[:300]
        return str(self.body.get("error_description") or error or self.status)[:300]

    @property
    def reasons(self) -> set[str]:
        """The machine-readable reasons of an error, of both forms that Google's interfaces have."""
        error = self.body.get("error")
        if not isinstance(error, Mapping):
            return {str(error)} if error else set()
        listed = [*error.get("errors", ()), *error.get("details", ())]
        return {str(item["reason"]) for item in listed if isinstance(item, Mapping) and "reason" in item}

    @property
    def is_busy(self) -> bool:
        """Whether the same request may succeed later."""
        return self.status in _BUSY or (self.status == 403 and bool(self.reasons & _RATE_REASONS))

    def error(self) -> Exception:
        """Return the error of ours that a refusal is."""
        if self.is_busy:
            wait = {} if self.retry_after is None else {"retry_after": self.retry_after}
            return SourceUnavailable(f"Google answers {self.status}: {self.message}", details=wait)
        if self.status in (401, 403):
            return SourceNotAuthorized(f"Google refuses the credentials ({self.status}): {self.message}")
        if self.status == 404:
            return SourceGone(f"Google has no such file: {self.message}")
        return InvalidSource(f"Google refuses the request ({self.status}): {self.message}")


class GoogleHttp:
    """Sends requests to the addresses of the options only; redirects are not followed."""

    def __init__(self, options: GoogleOptions, *, clock: Clock, ids: IdSource) -> None:
        self._options = options
        self._clock = clock
        self._ids = ids
        self._client = httpx2.Client(timeout=options.timeout_seconds, follow_redirects=False)

    def get(self, url: str, params: Mapping[str, str], headers: Mapping[str, str]) -> Answer:
        """Return the answer to a GET, also a refusal; what may pass is repeated first.

        Raises:
            SourceUnavailable: no answer came, or every one said to come back later.
        """
        return self._repeated(self._client.build_request("GET", url, params=dict(params), headers=dict(headers)))

    def post_form(self, url: str, form: Mapping[str, str]) -> Answer:
        """Return the answer to a POST of a form. Raises as `get`."""
        return self._repeated(self._client.build_request("POST", url, data=dict(form)))

    def close(self) -> None:
        """Release the connections."""
        self._client.close()

    def _repeated(self, request: httpx2.Request) -> Answer:
        error: Exception = SourceUnavailable("Google does not answer")
        for pause in self._pauses():
            try:
                answer = self._once(request)
            except (httpx2.TransportError, httpx2.StreamError, ValueError) as failure:
                error = SourceUnavailable(f"Google does not answer: {type(failure).__name__}")
                asked = None
            else:
                if not answer.is_busy:
                    return answer
                error, asked = answer.error(), answer.retry_after
            if pause is None or (asked or 0) > self._options.longest_wait_seconds:
                break
            self._clock.sleep(max(pause, asked or 0))
        raise error

    def _pauses(self) -> Iterator[float | None]:
        """Yield the pause behind each attempt, None behind the last; shortened by a random part of up to half."""
        pause = _FIRST_SECONDS
        for _ in range(1, self._options.attempts):
            yield pause * (0.5 + int(self._ids.new_id()[:8], 16) / 2**33)
            pause *= 2
        yield None

    def _once(self, request: httpx2.Request) -> Answer:
        response = self._client.send(request, stream=True)
        try:
            content = bytearray()
            for chunk in response.iter_bytes():
                content += chunk
                if len(content) > self._options.max_answer_bytes:
                    raise InvalidSource(f"Google's answer is over {self._options.max_answer_bytes} bytes: make the cells shorter")
        finally:
            response.close()
        return Answer(response.status_code, _json(bytes(content), response.status_code), self._retry_after(response))

    def _retry_after(self, response: httpx2.Response) -> float | None:
        text = response.headers.get("retry-after", "").strip()
        if _DIGITS.fullmatch(text):
            return float(text)
        try:
            at: datetime = parsedate_to_datetime(text)
        except ValueError:
            return None
        return max(0.0, (at - self._clock.now()).total_seconds()) if at.tzinfo else None


def _json(content: bytes, status: int) -> Mapping[str, Any]:
    """Return a body; of a refusal also one that is no JSON. Numbers stay as they are written: no digit is lost."""
    try:
        body = json.loads(content or b"{}", parse_float=str, parse_int=str)
    except ValueError:
        if status == 200:
            raise
        return {}
    return body if isinstance(body, Mapping) else {}
