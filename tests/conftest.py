"""What all tests share."""

from hypothesis import HealthCheck, settings

# Both would judge by the time that the machine takes, which others are busy with.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")
