"""Who explores: searchers, sweeps, studies and Pareto tools."""
