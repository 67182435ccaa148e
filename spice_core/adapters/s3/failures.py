"""What an error of obstore means: a setting that is wrong, an answer, or something that may pass.

obstore gives classes for a few answers and text for the rest, so the status is read from the text.
"""

import re

from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

from spice_core.adapters.s3.options import S3Options
from spice_core.errors import ConfigurationError, ObjectNotFound, SlotTaken, SpiceError, StoreUnavailable

FAILURES = (BaseError, OSError)
"""What obstore raises when a request does not end well."""

_STATUS = re.compile(r"status code: (\d{3})|status: (\d{3}),")
_CODE = re.compile(r"<Code>([^<]{1,80})</Code>")
_CERTIFICATE = re.compile(r"certificate|UnknownIssuer|CertExpired|NotValidForName|BadSignature", re.IGNORECASE)
_MAY_PASS = {408, 409, 425, 429}
_CLOCK_CODES = {"RequestTimeTooSkewed", "RequestExpired"}
_PASSING_CODES = {"RequestTimeout", "SlowDown"}


def is_conflict(error: BaseException) -> bool:
    """Whether the server said 409: another write of this key is under way, and who wins is not known yet."""
    return _status(str(error)) == 409


def meaning(error: BaseException, *, key: str, options: S3Options) -> SpiceError:
    """Return the error of ours that `error`, met at `key`, stands for; only `StoreUnavailable` may pass by itself."""
    text = str(error)
    code = found[1] if (found := _CODE.search(text)) else ""
    status = _status(text)
    if code == "NoSuchBucket":
        return ConfigurationError(f"There is no {options.place}: create it, or correct SPICE_S3_BUCKET")
    if isinstance(error, FileNotFoundError):
        return ObjectNotFound(f"There is no object {key}")
    if isinstance(error, AlreadyExistsError | PreconditionError) and status != 409:
        return SlotTaken(f"{key} already holds an object")
    return _refusal(text, status, code, options) or StoreUnavailable(
        f"The object store fails at {key} ({options.place}): {_brief(text)}"
    )


def _refusal(text: str, status: int, code: str, options: S3Options) -> ConfigurationError | None:
    """Return what must be set right by an operator, or None where the failure may pass."""
    place, problem = options.place, ""
    if code in _CLOCK_CODES:
        problem = f"The clock of this machine differs too much from that of {place}: set it right"
    elif status in {401, 403}:
        problem = (
            f"{place} refuses these credentials ({code or status}): "
            "check SPICE_S3_ACCESS_KEY, SPICE_S3_SECRET_KEY, and what they may do there"
        )
    elif status == 301 or "redirect without LOCATION" in text or code == "AuthorizationHeaderMalformed":
        problem = f"{place} is of another region: correct SPICE_S3_REGION ({options.region})"
    elif status == 501:
        problem = f"{place} lacks what is needed (put-if-absent, If-None-Match: *): {_brief(text)}"
    elif 400 <= status < 500 and status not in _MAY_PASS and code not in _PASSING_CODES:
        problem = f"{place} does not take our requests; check SPICE_S3_ENDPOINT: {_brief(text)}"
    elif not status and _CERTIFICATE.search(text):
        problem = (
            f"The certificate of {place} is not trusted or not valid ({_certificate_problem(text)}): "
            "renew it, or name its authority with SPICE_S3_CA_FILE"
        )
    return ConfigurationError(problem) if problem else None


def _status(text: str) -> int:
    found = _STATUS.search(text)
    return int(found[1] or found[2]) if found else 0


def _brief(text: str) -> str:
    return " ".join(text.split("\n\nDebug source", 1)[0].split())[:300]


def _certificate_problem(text: str) -> str:
    for sign, problem in (("Expired", "expired"), ("UnknownIssuer", "unknown issuer"), ("NotValidForName", "another name")):
        if sign in text:
            return problem
    return "see the log of the server"
