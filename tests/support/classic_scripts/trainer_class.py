"""In the style of ember: a trainer that assigns to its manager, and predictions by example."""

import legm


class Trainer(legm.LoggingMixin):
    def __init__(self, manager, **kwargs):
        super().__init__(logging_file=manager.logging_file, logging_level=manager.logging_level, **kwargs)
        self.manager = manager
        manager.early_stopping_metric = "dev_f1"
        manager.eval_steps = manager.eval_steps or 10
        manager.device = "cpu"

    def run(self, seed):
        manager = self.manager
        for step in range(0, 30, manager.eval_steps):
            manager.set_dict_metrics({"loss": 1 / (step + 1)}, step=step)
            manager.set_dict_metrics(
                {"f1": (step + seed) / 100, "report": f"at {step}"}, mode="dev", step=step
            )
        by_example = {f"id{n}": {"preds": n + seed, "text": "ab"} for n in range(2)}
        manager.set_dict_metrics({"f1": 0.5 + seed, **by_example}, mode="test")
        manager.set_best("early_stopping", metric=manager.early_stopping_metric, higher_better=True)
        self.log("trained", "warning")


metadata = {
    "eval_steps": {"disable_comparison": True},
    "lr": {"name": True, "searchable": True},
    "model_save_filename": {"disable_comparison": True},
}
parameters = {"lr": 0.01, "eval_steps": None, "model_save_filename": "weights.pt"}
for seed in (0, 1):
    manager = legm.ExperimentManager("logs", "Ember", logging_level="WARNING")
    manager.set_dict_params({**parameters, "seed": seed})
    manager.set_param_metadata(metadata, parameters)
    manager.disable_param("seed")
    manager.start()
    Trainer(manager).run(seed)
    with open(manager.get_save_filename(), "wb") as file:
        file.write(b"weights")
    manager.log_metrics()
    manager.aggregate_results()
    manager.plot()
    restored = legm.ExperimentManager("other", "Another")
    restored.__setstate__(manager.__getstate__())
    assert restored == manager
    assert (restored.seed, restored.eval_steps, restored.model_save_filename) == (seed, 10, "weights.pt")
