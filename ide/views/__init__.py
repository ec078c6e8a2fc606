"""What is drawn, as pure functions of what is known: tested without a screen."""
