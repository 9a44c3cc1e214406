"""What should happen: pure functions over frozen values (no IO, clock, logging or third party)."""

__owner__ = "provisioning 0.1.0"
