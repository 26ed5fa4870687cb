"""Folders of the original legm, a package of the same name by another author."""
