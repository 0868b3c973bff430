"""The HTTP face: OpenAI's API in front of the supervisor. It never imports MLX."""
