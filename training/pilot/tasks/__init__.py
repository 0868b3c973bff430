"""Text tasks: each module makes Examples from a random generator and nothing else."""
