"""What stands behind the model ``pretrained``: its folder, how it reads a column, and its network."""
