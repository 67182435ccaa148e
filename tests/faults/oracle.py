"""The judgement after every fault: the chain verifies, and every store is what a replay into empty stores gives."""

from spice_core.bootstrap import Platform, empty_stores, live_stores
from spice_core.services.compare_stores import StoresComparison, compare_stores


def compared(platform: Platform, database: str) -> StoresComparison:
    """Replay the log of `database` into empty stores and compare."""
    return compare_stores(live_stores(platform), empty=empty_stores(platform), work=platform.work, database=database)


def assert_sound(platform: Platform, *databases: str) -> None:
    """Fail with the first differences, if there are any. The workers must be done."""
    for database in databases or platform.log.databases():
        found = compared(platform, database)
        told = "\n".join(
            f"{item.part}: {item.key}\n  is        {item.live}\n  should be {item.replayed}" for item in found.differences
        )
        assert found.chain.is_intact, found.chain.problem
        assert not any(found.behind.values()), f"workers of {database} are behind: {found.behind}"
        assert found.is_equal, f"{database}: {dict(found.different)}\n{told}"
        assert found.dead_letters == 0, f"{database} has {found.dead_letters} dead letters"
