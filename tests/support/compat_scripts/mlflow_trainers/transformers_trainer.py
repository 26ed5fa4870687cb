"""transformers' Trainer that reports to mlflow."""

import os

import torch
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

import mlflow

os.environ["MLFLOW_EXPERIMENT_NAME"] = "transformers_trainer"


class Data(torch.utils.data.Dataset):
    def __len__(self):
        return 16

    def __getitem__(self, index):
        words = torch.arange(6) % (index % 7 + 2)
        return {"input_ids": words, "attention_mask": torch.ones(6, dtype=torch.long), "labels": index % 2}


torch.manual_seed(0)
small = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
model = BertForSequenceClassification(BertConfig(vocab_size=16, **small))
arguments = TrainingArguments(
    output_dir="out",
    num_train_epochs=2,
    per_device_train_batch_size=4,
    logging_steps=1,
    eval_strategy="epoch",
    save_strategy="no",
    use_cpu=True,
    report_to="mlflow",
    run_name="tiny",
    disable_tqdm=True,
)
trainer = Trainer(model=model, args=arguments, train_dataset=Data(), eval_dataset=Data())
trainer.train()
trainer.evaluate()
mlflow.flush_async_logging()
