"""Secrets in PostgreSQL, as ciphertexts."""

from collections.abc import Mapping, Sequence
from typing import Any

from spice_core.adapters.postgres.connection import Postgres
from spice_core.adapters.postgres.queries import load_queries
from spice_core.adapters.postgres.secret_cipher import SecretCipher
from spice_core.domain.secret_names import check_secret
from spice_core.errors import Closed
from spice_core.ports.secret_store import SecretStore


class PostgresSecretStore(SecretStore):
    """One row per secret in the schema `spice_secrets`."""

    def __init__(self, postgres: Postgres, *, cipher: SecretCipher) -> None:
        """Use `postgres`, which the caller closes."""
        self._postgres = postgres
        self._cipher = cipher
        self._sql = load_queries("secrets")
        self._is_closed = False

    def put(self, name: str, value: str) -> None:
        check_secret(name, value)
        self._run("put", {"name": name, "ciphertext": self._cipher.seal(name, value)})

    def get(self, name: str) -> str | None:
        return self._opened("get", name)

    def take(self, name: str) -> str | None:
        return self._opened("take", name)

    def delete(self, name: str) -> None:
        self._run("delete", (name,))

    def rotate(self) -> int:
        self._check_open()
        with self._postgres.connection() as connection:
            rows = connection.execute(self._sql["lock_all"]).fetchall()
            for name, ciphertext in rows:
                sealed = self._cipher.seal(name, self._cipher.open(name, bytes(ciphertext)))
                connection.execute(self._sql["put"], {"name": name, "ciphertext": sealed})
        return len(rows)

    def close(self) -> None:
        self._is_closed = True

    def _opened(self, query: str, name: str) -> str | None:
        self._check_open()
        with self._postgres.connection() as connection:
            row = connection.execute(self._sql[query], (name,)).fetchone()
            return None if row is None else self._cipher.open(name, bytes(row[0]))

    def _run(self, query: str, parameters: Sequence[Any] | Mapping[str, Any]) -> None:
        self._check_open()
        with self._postgres.connection() as connection:
            connection.execute(self._sql[query], parameters)

    def _check_open(self) -> None:
        if self._is_closed:
            raise Closed("The secret store is closed.")
