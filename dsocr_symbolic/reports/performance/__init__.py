"""A report of a workload: text, data and figures."""
