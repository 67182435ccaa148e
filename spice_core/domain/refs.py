"""How a ref is written: a branch, a commit id or a prefix of one, `HEAD`, each with `~n` behind it."""

import re
from dataclasses import dataclass

from spice_core.domain.naming import MAIN

_REF = re.compile(r"(?P<base>[^~]+)(?:~(?P<back>[0-9]{1,9}))?")
_COMMIT = re.compile(r"[0-9a-f]{8,40}")


@dataclass(frozen=True, slots=True)
class Ref:
    """A ref taken apart: the name it starts from and how many first parents back it goes."""

    base: str
    back: int

    @property
    def is_commit_like(self) -> bool:
        """Whether the base can be a commit id or a prefix of one."""
        return _COMMIT.fullmatch(self.base) is not None


def parse_ref(text: str) -> Ref:
    """Take `text` apart; what is not a ref becomes a name that no branch has."""
    found = _REF.fullmatch(text)
    if found is None:
        return Ref(text, 0)
    base = found["base"]
    return Ref(MAIN if base == "HEAD" else base, int(found["back"] or 0))
