"""The first version: a handler, whose log() completes the run."""

from legm import ExperimentHandler

handler = ExperimentHandler("logs", "Old")
handler.set_dict_params({"lr": 0.1, "seed": 1})
handler.disable_params(["seed"])
handler.start()
handler.set_dict_metrics({"acc": 0.4})
handler.set_dict_metrics({"acc": 0.5}, test=True)
handler.set_best("early_stopping", metric="acc", higher_better=True)
handler.log()
handler.aggregate_results()
handler.plot()
print(handler.model_save_filename)
