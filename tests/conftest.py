"""What holds for all tests."""

from hypothesis import settings

# A busy machine makes any example slow; how fast things are is the bench's question.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
