"""Trainers that log to legm: for each library a module with the logger, callback or tracker that it expects.

A module here imports its library on first use. What all of them share is in
:mod:`~legm.integrations.training_run` (the run of a training, from its parameters to its end),
:mod:`~legm.integrations.trainer_parameters` (what a library's configuration becomes) and
:mod:`~legm.integrations.lazy_classes` (classes whose base class is the library's).
"""
