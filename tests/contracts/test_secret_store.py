"""The contract of `SecretStore`, sentence by sentence, and what PostgreSQL keeps of a secret."""

import threading
from collections.abc import Callable

import psycopg
import pytest

from spice_core.adapters.postgres.connection import Postgres
from spice_core.adapters.postgres.secret_cipher import SecretCipher
from spice_core.adapters.postgres.secret_store import PostgresSecretStore
from spice_core.bootstrap.connector_engines import secret_keys
from spice_core.errors import Closed, ConfigurationError, IntegrityViolation, InvalidInput
from spice_core.ports.secret_store import SecretStore
from spice_core.settings import load_settings

VALUE = '{"password": "s3cret of ann"}'


def test_a_secret_is_read_back_replaced_and_removed(secrets: SecretStore):
    assert secrets.get("a") is None
    secrets.put("a", VALUE)
    secrets.put("b", "ü" * 1000)
    assert (secrets.get("a"), secrets.get("b")) == (VALUE, "ü" * 1000)
    secrets.put("a", "")
    assert secrets.get("a") == ""
    secrets.delete("a")
    secrets.delete("a")
    assert secrets.get("a") is None


def test_what_is_taken_is_gone_and_of_many_takers_one_gets_it(secrets: SecretStore):
    secrets.put("once", VALUE)
    found: list[str | None] = []
    threads = [threading.Thread(target=lambda: found.append(secrets.take("once"))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(found), found.count(VALUE), found.count(None)) == (6, 1, 5)
    assert secrets.take("once") is None


@pytest.mark.parametrize(("name", "value"), [("", "x"), ("n" * 501, "x"), ("a\x00", "x"), ("a", "s3cret" * 20_000)])
def test_what_is_out_of_bounds_is_refused_without_the_value(secrets: SecretStore, name: str, value: str):
    with pytest.raises(InvalidInput) as refused:
        secrets.put(name, value)
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    "call",
    [lambda s: s.get("a"), lambda s: s.put("a", "x"), lambda s: s.take("a"), lambda s: s.delete("a"), lambda s: s.rotate()],
)
def test_a_closed_store_raises(secrets: SecretStore, call: Callable[[SecretStore], object]):
    secrets.close()
    secrets.close()
    with pytest.raises(Closed):
        call(secrets)


def stores(dsn: str, *keys: str) -> PostgresSecretStore:
    return PostgresSecretStore(Postgres(dsn, max_size=2), cipher=SecretCipher(lambda: list(keys)))


def rows(dsn: str) -> dict[str, bytes]:
    with psycopg.connect(dsn) as connection:
        return {name: bytes(text) for name, text in connection.execute("SELECT name, ciphertext FROM spice_secrets.secrets")}


def test_must_hold_30_tokens_are_encrypted_at_rest(module_database: str):
    store = stores(module_database, "key-one")
    store.put("encrypted", VALUE)
    kept = rows(module_database)["encrypted"]
    assert b"s3cret" not in kept
    store.put("encrypted", VALUE)
    assert rows(module_database)["encrypted"] != kept  # the same value twice does not look the same


def test_keys_rotate_and_nothing_is_lost(module_database: str):
    one = stores(module_database, "key-one")
    one.put("encrypted", VALUE)
    one.put("kept", VALUE)
    two = stores(module_database, "key-two", "key-one")
    assert two.get("kept") == VALUE
    assert two.rotate() == 2
    assert stores(module_database, "key-two").get("kept") == VALUE
    with pytest.raises(IntegrityViolation, match="SECRET_KEY") as refused:
        one.get("kept")
    assert "s3cret" not in str(refused.value)
    with pytest.raises(IntegrityViolation):
        one.rotate()
    assert stores(module_database, "key-two").get("kept") == VALUE


def test_a_secret_does_not_open_under_another_name_nor_altered(module_database: str):
    store = stores(module_database, "key-two")
    store.put("mine", VALUE)
    mine = rows(module_database)["mine"]
    with psycopg.connect(module_database) as connection:
        for name, text in (("theirs", mine), ("cut", mine[:40])):
            connection.execute("INSERT INTO spice_secrets.secrets (name, ciphertext) VALUES (%s, %s)", (name, text))
    for name in ("theirs", "cut"):
        with pytest.raises(IntegrityViolation, match=name):
            store.get(name)


def test_production_without_a_key_refuses_and_development_makes_one_for_its_owner_only(tmp_path):
    production = load_settings(_env_file=None, app_env="production", state_dir=tmp_path / "p")
    with pytest.raises(ConfigurationError, match="SECRET_KEY"):
        secret_keys(production)
    settings = load_settings(_env_file=None, state_dir=tmp_path / "d")
    assert secret_keys(settings) == secret_keys(settings)
    assert (tmp_path / "d" / "secret_key").stat().st_mode & 0o777 == 0o600
    keys = {"secret_key": "k" * 16, "previous_secret_keys": "old-1, old-2"}
    named = load_settings(_env_file=None, state_dir=tmp_path / "d", **keys)
    assert secret_keys(named) == ["k" * 16, "old-1", "old-2"]
