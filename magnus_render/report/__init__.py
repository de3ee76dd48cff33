"""A run for people: read and folded, and its report, one page of HTML."""
