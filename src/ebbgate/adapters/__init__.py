"""One engine a file; only bootstrap names them."""
