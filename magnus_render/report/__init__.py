"""A run as people are told of it: read and folded, and its report, one page of HTML."""
