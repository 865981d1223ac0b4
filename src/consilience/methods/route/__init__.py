"""Methods of collaboration at the route level, one file each."""
