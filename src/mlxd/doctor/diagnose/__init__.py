"""Known failures of the libraries under mlxd, by the words they leave in a log."""

from .recognise import Diagnosis, Signature, diagnose, explain, last_of, last_part, signatures

__all__ = ["Diagnosis", "Signature", "diagnose", "explain", "last_of", "last_part", "signatures"]
