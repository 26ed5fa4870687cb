"""Folders of TensorBoard's event files."""
