"""The in-process client: flags pushed and evaluated here, exposures and events sent from here. Threads, no asyncio."""
