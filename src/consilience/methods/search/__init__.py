"""Methods of collaboration at the search level, one file each."""
