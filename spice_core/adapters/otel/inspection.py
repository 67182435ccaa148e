"""Looking at the receiver of traces: nothing depends on it, so what is wrong with it is a warning."""

from collections.abc import Iterator

import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spice_core.domain.findings import Finding

_SECONDS = 3.0
_PART = "traces"
_ADVICE = "is the collector of OTEL_EXPORTER_OTLP_ENDPOINT up, and does it take OTLP over HTTP (port 4318)?"


def inspect_receiver(endpoint: str) -> Iterator[Finding]:
    """Yield what is found at `endpoint`: sends a request without spans."""
    body = ExportTraceServiceRequest().SerializeToString()
    try:
        url = f"{endpoint.rstrip('/')}/v1/traces"
        answer = requests.post(url, body, headers={"Content-Type": "application/x-protobuf"}, timeout=_SECONDS)
    except requests.RequestException as error:
        yield Finding(_PART, "warning", f"no answer at {endpoint}: {type(error).__name__}", _ADVICE)
        return
    if answer.ok:
        yield Finding(_PART, "ok", f"{endpoint} takes spans")
    else:
        yield Finding(_PART, "warning", f"{endpoint} answers {answer.status_code}", _ADVICE)
