"""The embedded stack: PostgreSQL and NATS from wheels, and the processes around them, on this machine only."""
