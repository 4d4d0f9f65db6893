"""nets: what networks are put together from: a stem for each kind of block, and how they become one graph."""
