# train.py
import torch
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    ProgressCallback,
    Trainer,
    TrainingArguments,
    set_seed,
)

from legm.integrations.transformers import LegmCallback


class Words(torch.utils.data.Dataset):
    """Sequences of twelve words; the label says whether the first word is a large number."""

    def __init__(self, number, seed):
        words = torch.randint(1, 32, (number, 12), generator=torch.Generator().manual_seed(seed))
        self.rows = [{"input_ids": row, "labels": int(row[0] > 15)} for row in words]

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        return self.rows[index]


sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
for learning_rate in (1e-2, 1e-4):
    for seed in range(2):
        set_seed(seed)
        trainer = Trainer(
            model=BertForSequenceClassification(BertConfig(vocab_size=32, **sizes)),
            args=TrainingArguments(
                output_dir=f"checkpoints/{learning_rate}-{seed}",
                learning_rate=learning_rate,
                seed=seed,
                num_train_epochs=4,
                per_device_train_batch_size=16,
                logging_strategy="epoch",
                eval_strategy="epoch",
                save_strategy="epoch",
                save_total_limit=1,
                load_best_model_at_end=True,
                use_cpu=True,
            ),
            train_dataset=Words(128, 0),
            eval_dataset=Words(64, 1),
            callbacks=[LegmCallback("results", "words")],
        )
        trainer.remove_callback(ProgressCallback)
        trainer.train()
        trainer.predict(Words(64, 2))
