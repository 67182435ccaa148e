"""Long work on behalf of a client."""
