"""Row: the hidden column that holds the number which a row had in the collected table."""

__all__ = ["ROW"]

ROW = "__row__"
