"""The formulas called as one tree: costs, dataflow, memory, and the fold that adds them up."""
