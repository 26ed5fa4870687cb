"""In the style of LiaHR: the command's metadata, a template of the folder's name, and custom data."""

import legm
from legm.argparse_utils import parse_args_and_metadata


class Dataset:
    @staticmethod
    def argparse_args():
        return {
            "root_dir": {"type": str, "metadata": {"disable_comparison": True}},
            "max_length": {"type": int, "default": 8, "splits": ["train", "test"]},
        }

    @legm.from_namespace
    def __init__(self, root_dir, max_length):
        self.root_dir, self.max_length = root_dir, max_length


constant = {
    "model": {"type": str, "searchable": True, "default": "gpt", "metadata": {"name": True}},
    "shot": {
        "type": int,
        "searchable": True,
        "default": 5,
        "metadata": {"name": True, "name_transform": "{}-shot".format},
    },
    "seed": {"type": int, "searchable": True, "default": 0, "metadata": {"disable_comparison": True}},
    "temperature": {"type": float, "default": 0.0, "metadata": {"parent": "model", "parent_active": "llama"}},
}
tasks = {"SemEval": Dataset, "GoEmotions": Dataset}
grid, metadata = parse_args_and_metadata([legm.ExperimentManager], constant, tasks, "task", tasks)
for args in grid:
    manager = legm.ExperimentManager(
        "./logs",
        args.task,
        logging_level=args.logging_level,
        description=args.description,
        alternative_experiment_name=args.alternative_experiment_name,
    )
    manager.set_namespace_params(args)
    manager.set_param_metadata(metadata[args.task], args)
    manager.start()
    train = Dataset(init__namespace=legm.splitify_namespace(args, "train"))
    manager.set_custom_data(
        {"length": train.max_length, "names": {"n": args.shot + args.seed}}, "train_data.yml"
    )
    manager.set_dict_metrics(
        {"a": {"preds": [1, 2], "gt": "x"}, "jaccard": 0.1 * args.shot + args.seed}, mode="test"
    )
    manager.log_metrics()
    manager.aggregate_results()
    manager.plot(groups=[["jaccard"]])
