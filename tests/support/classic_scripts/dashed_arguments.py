"""A command whose declared arguments have dashes, with metadata by their names."""

from argparse import ArgumentParser

import legm
from legm.argparse_utils import add_arguments, add_metadata


class Model:
    @staticmethod
    def argparse_args():
        return {
            "hidden_size": {"type": int, "default": 8, "metadata": {"name": True}},
            "weight_decay": {"type": float, "default": 0.5, "splits": ["head", "body"]},
        }


parser, metadata = ArgumentParser(), {}
for declared in (Model, legm.ExperimentManager):
    add_arguments(parser, declared, replace_underscores=True)
    add_metadata(metadata, declared)
args = parser.parse_args()
manager = legm.ExperimentManager("logs", "Dashes", description=args.description)
manager.set_namespace_params(args)
manager.set_param_metadata(metadata, args)
manager.start()
manager.set_metric("size", manager.hidden_size * manager.head_weight_decay, mode="test")
manager.log_metrics()
manager.aggregate_results()
