"""What is handed on: one folder for each kind of artifact."""
