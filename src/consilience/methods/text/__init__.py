"""Methods of collaboration at the text level, one file each."""
