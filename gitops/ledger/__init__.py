"""One ref per infra: lock, write-ahead intents, results, recorded state and audit in one chain of commits."""
