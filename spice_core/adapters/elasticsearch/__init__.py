"""Adapters on Elasticsearch, spoken to over HTTP with requests that every distribution answers."""
