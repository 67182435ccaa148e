"""From instances and data to links between them."""
