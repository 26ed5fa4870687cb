"""Tests of where a run comes from."""
