"""Methods of collaboration at the token level, one file each."""
