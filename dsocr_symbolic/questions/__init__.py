"""What a user asks: one folder for each question, with its answer, its words and its command."""
