"""How the bundled model is made: from code, seeds and fonts, nothing else."""
