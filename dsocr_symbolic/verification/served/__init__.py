"""The decoder as a serving engine runs it, in plain torch: merged products, grouped experts, a cache in pages."""
