"""Answer formats: what counts as an answer, which answers are equal, and how good one is."""

from consilience.reading.base import ByKey
from consilience.reading.book import FORMATS, from_dict, from_name, to_dict
from consilience.reading.choice import Choice
from consilience.reading.exact import Exact
from consilience.reading.f1 import F1
from consilience.reading.free import Free
from consilience.reading.literal import Literal
from consilience.reading.math import Math
from consilience.reading.number import Number
from consilience.reading.yesno import YesNo

__all__ = ["F1", "FORMATS", "ByKey", "Choice", "Exact", "Free", "Literal", "Math", "Number", "YesNo", "from_dict", "from_name", "to_dict"]
