"""Merging of checkpoints, tensor by tensor: a recipe, a plan from headers alone, and a new checkpoint folder.

Nothing is imported here: reading and writing need torch, which comes with the extra [local].
"""
