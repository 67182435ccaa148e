"""From instances to searchable documents."""
