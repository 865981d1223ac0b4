"""Programs that nobody vouches for, run isolated or not at all."""

from consilience.sandbox.run import Outcome, available, execute

__all__ = ["Outcome", "available", "execute"]
