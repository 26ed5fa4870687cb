"""Two seeds of a configuration with a description, a disabled name parameter, a child, and custom data."""

from legm import ExperimentManager

for seed in (1, 2):
    manager = ExperimentManager("logs", "Toy", description="v1")
    manager.set_dict_params({"lr": 0.1, "sched": None, "gamma": 2, "seed": seed, "_net_": "a/b"})
    manager.set_parent("gamma", "sched")
    manager.disable_params(["seed", "_net_"])
    manager.name_params(["_net_", "lr"])
    manager.start()
    for step in (10, 20):
        manager.set_dict_metrics({"acc": step / 30}, mode="dev", step=step)
    manager.set_best("early_stopping", metric="dev_acc", higher_better=True)
    manager.set_custom_data({"ann": {"f1": 0.5 + seed / 10}}, "ann.yml")
    manager.log_metrics()
    manager.aggregate_results()
    manager.plot(groups=[["dev_acc", "dev_f1"]])
