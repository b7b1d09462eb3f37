"""The fair contest of agents: problems with known truths, many studies at equal budgets, and what they say."""
