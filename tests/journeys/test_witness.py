"""A signed head that is kept elsewhere catches what the chain alone cannot."""

from running import Running

KEY = "a key of these tests only"


def spice(running: Running, *words: str, key: str | None = KEY) -> tuple[int, str]:
    return running.spice("log", *words, **({} if key is None else {"SECRET_KEY": key}))


def test_fault_07_a_kept_head_vouches_for_the_log_it_is_of(running: Running, database: str) -> None:
    code, token = spice(running, "head", "--db", database)
    assert code == 0, token
    code, said = spice(running, "verify", "--db", database, "--witness", token.strip())
    assert code == 0, said
    code, said = spice(running, "verify", "--db", database, "--witness", token.strip(), key="another key than before")
    assert (code != 0, "not signed with this key" in said) == (True, True), said
    code, said = spice(running, "head", "--db", database, key=None)
    assert (code != 0, "SECRET_KEY is not set" in said) == (True, True), said
