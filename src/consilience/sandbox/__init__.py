"""Programs that nobody vouches for, run isolated or not at all."""

from consilience.sandbox.run import Outcome, available, execute
from consilience.sandbox.trial import Verdict, trial

__all__ = ["Outcome", "Verdict", "available", "execute", "trial"]
