"""Where every draw is kept: nothing is generated twice, nothing is lost in a crash."""

from consilience.store.replies import pack, unpack
from consilience.store.store import Store, draw_key

__all__ = ["Store", "draw_key", "pack", "unpack"]
