"""Tasks: questions with references in two splits, from the embedded pool, files, the hub, or recordings."""

from consilience.tasks.score import Unscored, score
from consilience.tasks.spec import task
from consilience.tasks.task import Split, Task

__all__ = ["Split", "Task", "Unscored", "score", "task"]
