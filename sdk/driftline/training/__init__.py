"""Training runs: what they took, what that cost, and how they are told. May import export and what is below."""
