"""Stops the embedded servers of the state directory in the environment: the last act after a killed supervisor."""

from spice_core.bootstrap import stop_infrastructure
from spice_core.settings import load_settings

if __name__ == "__main__":
    stop_infrastructure(load_settings())
