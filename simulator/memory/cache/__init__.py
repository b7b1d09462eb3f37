"""Caches: levels, scratchpads and what is behind them, timed cycle by cycle."""
