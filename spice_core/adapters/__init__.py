"""One folder per technology; only bootstrap names them."""
