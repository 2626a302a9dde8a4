"""What is asked: choices, workload or document, machine, and what the user set."""
