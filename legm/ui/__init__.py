"""The live page: a server on this machine that shows the runs of a root directory while they train."""
