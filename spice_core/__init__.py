"""The shared hexagon: domain, ports, services and adapters of SPICE Harvester."""
