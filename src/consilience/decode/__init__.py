"""The token-level engine: rows with KV caches over one or several models in lockstep.

Nothing is imported here: the modules of this room need torch, which comes with the extra [local].
"""
