"""In the style of VAuLT: no start(), no parents, and a model's file."""

from argparse import Namespace

from legm import ExperimentHandler

handler = ExperimentHandler("logs", "VAuLT")
handler.set_namespace_params(Namespace(model="vault", lr=1e-5, device="cuda:0"))
handler.disable_params(["device"])
handler.name_params(["model"])
for epoch in range(2):
    handler.set_dict_metrics({"train_loss": 2.0 - epoch, "eval_accuracy": 0.6 + epoch / 10})
with open(handler.model_save_filename, "wb") as file:
    file.write(b"weights")
handler.set_best("early_stopping", metric="eval_accuracy", higher_better=True)
handler.log()
handler.set_dict_metrics({"accuracy": 0.65}, test=True)
handler.log()
handler.aggregate_results()
handler.plot(groups=[["train_loss", "eval_accuracy"]])
