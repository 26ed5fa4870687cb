"""A grid of a command, with declared arguments of two classes, and values by example that are texts."""

import legm
from legm.argparse_utils import parse_args_and_metadata


class Data(legm.LoggingMixin):
    argparse_args = lambda: {"max_len": {"type": int, "splits": ["train", "test"]}}

    @legm.from_namespace
    def __init__(self, max_len, **kwargs):
        super().__init__(**kwargs)
        self.max_len = max_len


learning_rate = {"lr": {"type": float, "searchable": True, "metadata": {"name": True}}}
Manager = legm.ExperimentManager
grid, metadata = parse_args_and_metadata([Manager], learning_rate, ["A"], "task", {"A": Data})
for args in grid:
    manager = Manager("logs", args.task)
    manager.set_namespace_params(args)
    manager.set_param_metadata(metadata["A"], args)
    manager.start()
    manager.set_main_process(True)
    manager.start()
    manager.device = "cpu"
    train = legm.splitify_namespace(args, "train")
    data = Data(init__namespace=train, logging_file=manager.logging_file)
    data.log(f"ready for {data.max_len} on {manager.device}", "info")
    manager.set_dict_metrics({"acc": manager.lr, "id1": {"preds": "x"}}, mode="test")
    manager.log_metrics()
    manager.aggregate_results()
    manager.plot()
