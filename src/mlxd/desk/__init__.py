"""Documents and the agent, in a process of their own that holds the heavy libraries.

The gateway starts it, passes requests on to it, and is asked for models like by any other client.
Nothing outside of this folder imports from it.
"""
