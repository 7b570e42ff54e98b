"""Memory adapters, a virtual clock and seeded faults: public, for tests of ebbgate and of what is built on it."""
