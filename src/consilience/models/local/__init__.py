"""Transformers checkpoints in this process: a host with a memory budget, and the models that live on it (extra [local])."""

from consilience.models.local.host import HostStats, LocalHost, default_host
from consilience.models.local.local import LocalModel

__all__ = ["HostStats", "LocalHost", "LocalModel", "default_host"]
