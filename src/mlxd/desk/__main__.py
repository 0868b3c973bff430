from .lifeline import hold

lifeline, config = hold()

from .process import main  # noqa: E402 - what it imports takes seconds

main(lifeline, config)
