"""Wrappers that any model can wear; each answers for the powers that it really passes on."""

from consilience.models.wrappers.breaker import Breaker
from consilience.models.wrappers.budgeted import Allowance, Budget, Budgeted
from consilience.models.wrappers.limited import Limited, Limits
from consilience.models.wrappers.metered import Meter, Metered
from consilience.models.wrappers.retried import Backoff, Retried
from consilience.models.wrappers.stored import Stored

__all__ = ["Allowance", "Backoff", "Breaker", "Budget", "Budgeted", "Limited", "Limits", "Meter", "Metered", "Retried", "Stored"]
