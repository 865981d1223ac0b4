"""Methods of collaboration, one file each."""
