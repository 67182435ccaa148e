"""The Dagster code location: every batch product as a software-defined asset."""
