"""The repository as source, ledger and stage; the composition root of ``provisioning``."""

__owner__ = "provisioning 0.1.0"
__version__ = "0.1.0"
