"""The learned cost model: fit on what was simulated, predict with a standard deviation, score, save, load."""

from .samples import Samples, draw, read_samples
from .surrogate import Prediction, Surrogate

__all__ = ["Prediction", "Samples", "Surrogate", "draw", "read_samples"]
