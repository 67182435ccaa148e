"""The filter of keys that a log may hold."""

import uuid

from spice_core.services.event_log.key_filter import KeyFilter


def test_a_key_that_was_added_is_always_found_and_few_others_are():
    known = [str(uuid.uuid5(uuid.NAMESPACE_URL, f"known {number}")) for number in range(60_000)]
    keys = KeyFilter()
    keys.update(known)
    assert keys.count == 60_000
    assert all(key in keys for key in known)
    others = sum(str(uuid.uuid5(uuid.NAMESPACE_URL, f"other {number}")) in keys for number in range(60_000))
    assert others < 60_000 * 0.01
