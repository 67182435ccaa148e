"""Whom a server runs as: ourselves, or, where we are root and it refuses root, `nobody`."""

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

UNPRIVILEGED = "nobody"


@dataclass(frozen=True, slots=True)
class Account:
    """A user of this machine; `is_other` says that it is not the one that runs this program."""

    uid: int
    gid: int
    is_other: bool

    @classmethod
    def ours(cls) -> "Account":
        """Return the user that runs this program."""
        return cls(os.geteuid(), os.getegid(), is_other=False)

    @classmethod
    def unprivileged(cls) -> "Account":
        """Return ourselves, or `nobody` where we are root."""
        if os.geteuid() != 0:
            return cls.ours()
        found = pwd.getpwnam(UNPRIVILEGED)
        return cls(found.pw_uid, found.pw_gid, is_other=True)

    def identity(self) -> dict[str, Any]:
        """Return the arguments that make a child process of `subprocess` this user's."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.is_other else {}

    def own(self, path: Path) -> None:
        """Make a file or directory this user's, for itself only."""
        if self.is_other:
            os.chown(path, self.uid, self.gid)
        path.chmod(0o700 if path.is_dir() else 0o600)

    def let_reach(self, path: Path) -> None:
        """Open the folders above `path` to this user for passing through, not for reading."""
        for folder in path.parents if self.is_other else ():
            mode = folder.stat().st_mode
            if not mode & stat.S_IXOTH:
                folder.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)
