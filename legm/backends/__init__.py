"""The backends that come with legm; each is an ordinary plugin behind :mod:`legm.hooks`."""
