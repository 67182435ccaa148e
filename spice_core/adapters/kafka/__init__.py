"""Kafka: a transport of what the log holds. Every part of it may be lost; the log fills it again."""
