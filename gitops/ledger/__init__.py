"""The ledger: lock, write-ahead intents, recorded state, runs and audit of one infra in one chain of commits."""
