"""The network in PyTorch, with the checkpoint's names: what the formulas are verified against."""
