"""The network's classes, stages and calls, and whether each layer has a formula file."""
