"""What evaluators and applications tell the server: wire types, intake rules, and the log's framing (RULES C)."""
