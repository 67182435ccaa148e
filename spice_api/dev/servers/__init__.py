"""The real engines as processes of this machine, without containers: what `spice servers` and the tests start."""
