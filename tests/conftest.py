"""Settings of hypothesis for the whole suite: reproducible, and never judged by wall time."""

from hypothesis import HealthCheck, settings

settings.register_profile("laws", deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
settings.load_profile("laws")
