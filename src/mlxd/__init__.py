"""mlxd, the model daemon for MLX."""

__version__ = "0.1.0"
