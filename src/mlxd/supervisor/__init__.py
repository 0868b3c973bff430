"""Engines start when they are needed, stop when not, and answers outlive them.

The gateway knows this room by `contract` alone; `launch` and `record` are for the command line.
"""
