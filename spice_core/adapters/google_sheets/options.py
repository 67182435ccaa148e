"""What the operator's settings say of Google."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class GoogleOptions:
    """Where requests go, and the client that people give their consent to.

    `attempts` counts the requests for one answer; `longest_wait_seconds` is the longest pause that is waited out on the spot.
    """

    sheets_url: str = "https://sheets.googleapis.com"
    drive_url: str = "https://www.googleapis.com"
    token_url: str = "https://oauth2.googleapis.com"  # noqa: S105 - an address
    consent_url: str = "https://accounts.google.com"
    api_key: str | None = field(default=None, repr=False)
    client_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)
    timeout_seconds: float = 30.0
    attempts: int = 4
    longest_wait_seconds: float = 20.0
    page_cells: int = 50_000
    max_answer_bytes: int = 64_000_000
