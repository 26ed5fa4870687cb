"""Folders of TensorBoard event files as a source of runs."""
