"""Creating a bucket: two requests that obstore has no word for, signed by hand (AWS Signature Version 4)."""

import hashlib
import hmac
import http.client
import ssl
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import quote, urlsplit

from spice_core.adapters.s3.options import S3Options
from spice_core.errors import ConfigurationError, StoreUnavailable

_VERSIONING = (
    b'<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Status>Enabled</Status></VersioningConfiguration>'
)
_CREATED = {200, 409}  # 409: somebody else was faster


def create_bucket(options: S3Options, *, versioned: bool = True) -> None:
    """Create the bucket; `versioned` keeps deleted objects recoverable, where the server knows how.

    Raises:
        ConfigurationError: the server refuses; names the settings.
        StoreUnavailable: (retryable) it does not answer.
    """
    if options.access_key is None or options.secret_key is None:
        raise ConfigurationError(f"There is no {options.place}; without SPICE_S3_ACCESS_KEY it cannot be created here")
    status, body = _request(options, "PUT", "", _location(options))
    if status not in _CREATED:
        raise ConfigurationError(f"{options.place} could not be created ({status}): {body[:300]}")
    if versioned:
        _request(options, "PUT", "versioning", _VERSIONING)


def _location(options: S3Options) -> bytes:
    if options.endpoint is not None or options.region == "us-east-1":
        return b""
    place = f"<LocationConstraint>{options.region}</LocationConstraint>"
    return (
        f'<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{place}</CreateBucketConfiguration>'.encode()
    )


def _request(options: S3Options, method: str, query: str, body: bytes) -> tuple[int, str]:
    base = urlsplit(options.endpoint or f"https://s3.{options.region}.amazonaws.com")
    path = "/" + quote(options.bucket)
    connection: http.client.HTTPConnection
    if base.scheme == "https":
        context = ssl.create_default_context(cadata=options.ca_certificates())
        connection = http.client.HTTPSConnection(base.netloc, timeout=options.timeout_seconds, context=context)
    else:
        connection = http.client.HTTPConnection(base.netloc, timeout=options.timeout_seconds)
    try:
        at = _server_time(connection)
        headers = _signed(options, (method, path, f"{query}=" if query else ""), host=base.netloc, body=body, at=at)
        connection.request(method, f"{path}?{query}" if query else path, body=body, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read(4096).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        raise StoreUnavailable(f"{options.place} does not answer: {error}") from error
    finally:
        connection.close()


def _server_time(connection: http.client.HTTPConnection) -> datetime:
    """Ask the server for its time, which is the one that signatures are checked by."""
    connection.request("HEAD", "/")
    answer = connection.getresponse()
    answer.read()
    stated = answer.getheader("Date")
    if stated is None:
        raise StoreUnavailable("The server does not tell its time, which a signature needs")
    return parsedate_to_datetime(stated).astimezone(UTC)


def _signed(options: S3Options, request: tuple[str, str, str], *, host: str, body: bytes, at: datetime) -> dict[str, str]:
    """Return the headers of a signed `request` (method, path, query); see "Authenticating Requests (AWS Signature Version 4)"."""
    digest = hashlib.sha256(body).hexdigest()
    stamp, day = f"{at:%Y%m%dT%H%M%SZ}", f"{at:%Y%m%d}"
    headers = {"host": host, "x-amz-content-sha256": digest, "x-amz-date": stamp}
    names = ";".join(headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    canonical = "\n".join([*request, lines, names, digest])
    scope = f"{day}/{options.region}/s3/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    secret = f"AWS4{options.secret_key}".encode()
    for part in (day, options.region, "s3", "aws4_request"):
        secret = hmac.new(secret, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()
    credential = f"AWS4-HMAC-SHA256 Credential={options.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
    return {**headers, "authorization": credential}
