"""What the shell must supply: one Protocol per file."""
