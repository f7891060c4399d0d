"""Speed against the peers, agreement asserted first: ``python -m benchmarks --area NAME``."""
