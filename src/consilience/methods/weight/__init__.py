"""Methods of collaboration at the weight level, one file each."""
