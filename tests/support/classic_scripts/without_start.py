"""In the style of Demux-MEmo: no start(), parents, one of them replaced."""

from argparse import Namespace

from legm import ExperimentHandler

for seed in (1, 2):
    handler = ExperimentHandler("logs", "Demux", "final")
    options = Namespace(lr=0.1, alpha=0.5, loss="intra", other=True, seed=seed, device="cpu")
    handler.set_namespace_params(options)
    handler.set_parent("alpha", "loss")
    handler.set_parent("alpha", "other")
    handler.disable_params(["seed", "device"])
    handler.name_params(["lr", "loss"])
    for epoch in range(3):
        handler.set_dict_metrics({"loss": 1.0 - epoch / 10 - seed / 100})
    handler.set_dict_metrics({"f1": 0.5 + seed / 10}, test=True)
    handler.set_best("last")
    handler.log()
    handler.aggregate_results()
    handler.plot()
