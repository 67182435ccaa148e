"""Traces over OpenTelemetry's SDK and OTLP."""
