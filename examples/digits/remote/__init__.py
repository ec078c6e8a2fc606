"""What leaves this machine: the model in the form in which the letter sorters take it."""
