"""Any network that names its oracle, counted as transformers runs it, without weights and without values."""
