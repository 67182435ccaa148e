"""`spice --full …`: any command, on the servers that `spice servers up` started."""

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from spice_api.dev.servers.fleet import Fleet
from spice_core.errors import ConfigurationError
from spice_core.settings import load_settings, process_environment


def use_servers(words: Sequence[str]) -> NoReturn:
    """Run the command `words` in place of this process, with the variables of the running servers.

    Raises:
        ConfigurationError: none runs.
    """
    chosen = Fleet.of_state(load_settings().state_path).settings()
    if not chosen:
        raise ConfigurationError("--full needs the servers: start them with `make up` or `spice servers up`")
    environment = {**process_environment(), **chosen}
    os.execve(sys.executable, [sys.executable, "-m", "spice_api.cli.main", *words], environment)  # noqa: S606 - our own program
