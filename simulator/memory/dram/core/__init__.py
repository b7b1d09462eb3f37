"""What controllers share: the state vector, the lists of requests, and what a command does."""
