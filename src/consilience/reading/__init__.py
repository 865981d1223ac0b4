"""Answer formats: what counts as an answer, which answers are equal, and how good one is."""

from consilience.reading.choice import Choice
from consilience.reading.free import Free
from consilience.reading.yesno import YesNo

__all__ = ["Choice", "Free", "YesNo"]
