"""Programs that nobody vouches for, run isolated or not at all."""

from consilience.sandbox.run import LONGEST, Outcome, available, execute
from consilience.sandbox.trial import Verdict, trial

__all__ = ["LONGEST", "Outcome", "Verdict", "available", "execute", "trial"]
