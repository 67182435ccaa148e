"""Datasets: uploaded tables and their versions."""
