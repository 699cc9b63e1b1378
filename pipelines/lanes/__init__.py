"""Lanes: whatever waits or looks around, each a FastStream consumer on a durable of its own."""
