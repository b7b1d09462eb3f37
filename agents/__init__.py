"""Who explores: searchers that propose designs, studies and sweeps that run them, Pareto tools."""
