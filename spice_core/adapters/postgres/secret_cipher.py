"""The cipher of secrets at rest: Fernet (AES-128-CBC with HMAC-SHA256) under keys derived from the settings."""

import base64
import json
from collections.abc import Callable, Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from spice_core.errors import IntegrityViolation

_PURPOSE = b"spice: secrets of connections"
KeySource = Callable[[], Sequence[str]]


class SecretCipher:
    """Encrypts with the first key and decrypts with any. The name is sealed in: a value does not open under another one."""

    def __init__(self, keys: KeySource) -> None:
        """Ask `keys` at every use, so that a program without keys may run as long as it needs none."""
        self._keys = keys

    def seal(self, name: str, value: str) -> bytes:
        """Return the ciphertext. Raises `ConfigurationError` where there is no key."""
        return self._fernet().encrypt(json.dumps([name, value]).encode())

    def open(self, name: str, ciphertext: bytes) -> str:
        """Return the value. Raises `IntegrityViolation`, which names `name` only."""
        try:
            named, value = json.loads(self._fernet().decrypt(ciphertext))
        except InvalidToken:
            message = (
                f"The secret {name!r} does not open: SECRET_KEY changed without SPICE_PREVIOUS_SECRET_KEYS, or it was altered"
            )
            raise IntegrityViolation(message) from None
        if named != name:
            raise IntegrityViolation(f"The secret {name!r} was sealed under another name")
        return str(value)

    def _fernet(self) -> MultiFernet:
        return MultiFernet([Fernet(_derived(key)) for key in self._keys()])


def _derived(key: str) -> bytes:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE).derive(key.encode())
    return base64.urlsafe_b64encode(derived)
