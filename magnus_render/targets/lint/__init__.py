"""What the lints of all targets share: the report, the check of fields against a table, words for messages."""
