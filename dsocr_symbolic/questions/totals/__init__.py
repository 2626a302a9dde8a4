"""What a workload or a document costs, and where."""
