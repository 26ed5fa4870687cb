"""Trainings with transformers' ``Trainer``, and those derived of it, compared with its own history."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import transformers
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from transformers import BertConfig, EarlyStoppingCallback, Trainer

from legm import ExperimentHandler
from legm.errors import ParameterError
from legm.integrations.transformers import LegmCallback, register_reporter
from legm.integrations.transformers_arguments import transformers_parameters
from legm.records import RunResult, Status
from tests.support.mlflow_store import prepare_store
from tests.support.reading import runs_of
from tests.support.readme import readme_program
from tests.support.trainer_runs import only_run, points, test_values

pytestmark = pytest.mark.filterwarnings("ignore")  # of the libraries, which warn of each other
MADE: dict[str, Any] = {}
MODEL = """
import torch
from transformers import BertConfig, BertForSequenceClassification, TrainingArguments

SMALL = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
SMALL |= {"intermediate_size": 8, "vocab_size": 16}

class Data(torch.utils.data.Dataset):
    def __len__(self):
        return 16

    def __getitem__(self, index):
        words = torch.arange(6) % (index % 7 + 2)
        return {"input_ids": words, "attention_mask": torch.ones(6, dtype=torch.long), "labels": index % 2}

def model(**config):
    torch.manual_seed(0)
    return BertForSequenceClassification(BertConfig(**{**SMALL, **config}))

def arguments(folder, **given):
    usual = {"num_train_epochs": 3, "per_device_train_batch_size": 4, "logging_steps": 1}
    usual |= {"eval_strategy": "epoch", "save_strategy": "no"}
    usual |= {"use_cpu": True, "report_to": "none", "disable_tqdm": True}
    return TrainingArguments(output_dir=str(folder), **{**usual, **given})
"""
exec(MODEL, MADE)  # the scripts below have it too
Data, model, arguments = MADE["Data"], MADE["model"], MADE["arguments"]


def trainer(folder: Path, callback: object, of: object = None, **given: Any) -> Trainer:
    callbacks = [callback, *given.pop("callbacks", ())]
    made = of if of is not None else model()
    args = given.pop("args", None) or arguments(folder, **given)
    return Trainer(model=made, args=args, train_dataset=Data(), eval_dataset=Data(), callbacks=callbacks)


def require_same_values(found: RunResult, history: list[dict[str, float]]) -> None:
    """Every value at every step of the trainer's own history, and no other."""
    names = {name for row in history for name in row} - {"step"}
    dev = {name for name in names if not name.startswith("test_")}
    for name in dev:
        theirs = {row["step"]: float(row[name]) for row in history if name in row and "test_loss" not in row}
        assert dict(points(found, name)) == theirs, name
    assert {series.name for series in found.histories} == dev
    assert test_values(found) == {
        name.removeprefix("test_"): row[name] for row in history for name in row if name.startswith("test_")
    }


@pytest.mark.parametrize("backend", ["local", "mlflow"])
def test_a_training_leaves_what_is_in_the_trainers_history(tmp_path, backend):
    callback = LegmCallback(tmp_path / "root", "e", backend=backend)
    trained = trainer(tmp_path / "out", callback)
    trained.train()
    trained.evaluate()
    trained.evaluate(Data(), metric_key_prefix="test")
    found = only_run(tmp_path / "root", backend=backend)
    require_same_values(found, trained.state.log_history)
    assert found.status is Status.COMPLETED
    assert found.last_step == 12
    assert len(points(found, "loss")) == 12


def test_the_lines_of_the_readme_record_a_training(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"model": model(), "args": arguments(tmp_path / "out", max_steps=2, eval_strategy="no")}
    names["data"] = Data()
    exec(readme_program("transformers"), names)
    require_same_values(only_run(tmp_path / "results", "glue"), names["trainer"].state.log_history)


def test_a_prediction_is_of_the_test(tmp_path):
    trained = trainer(tmp_path / "out", LegmCallback(tmp_path / "root", "e"))
    trained.train()
    metrics = trained.predict(Data()).metrics
    assert test_values(only_run(tmp_path / "root")) == {name[5:]: value for name, value in metrics.items()}


def test_an_evaluation_before_the_training_is_in_its_run(tmp_path):
    trained = trainer(tmp_path / "out", LegmCallback(tmp_path / "root", "e"))
    trained.evaluate()
    trained.train()
    assert points(only_run(tmp_path / "root"), "eval_loss")[0][0] == 0


def test_the_librarys_report_to_takes_legm_where_it_is_registered(tmp_path, monkeypatch):
    monkeypatch.delitem(transformers.integrations.INTEGRATION_TO_CALLBACK, "legm", raising=False)
    given = {"max_steps": 2, "report_to": "legm"}
    data = {"train_dataset": Data(), "eval_dataset": Data()}
    with pytest.raises(ValueError, match="legm is not supported"):
        Trainer(model=model(), args=arguments(tmp_path / "out", **given), **data)
    with pytest.raises(ParameterError, match="the experiment is missing"):
        register_reporter(tmp_path / "root")
    register_reporter(tmp_path / "root", "e", description="mine")
    for seed in range(2):
        trained = Trainer(model=model(), args=arguments(tmp_path / "out", seed=seed, **given), **data)
        trained.train()
    first, second = runs_of(tmp_path / "root")
    require_same_values(second, trained.state.log_history)
    assert [one.run.description for one in (first, second)] == ["mine", "mine"]
    assert first.run.configuration.fingerprint == second.run.configuration.fingerprint


# Parameters


def active(root: Path) -> list[tuple[str, ...]]:
    return [found.run.configuration.active for found in runs_of(root)]


def test_reading_the_defaults_leaves_the_state_of_accelerate_as_it_is(tmp_path):
    """Making other arguments would reset it within the training."""
    given = arguments(tmp_path)
    Accelerator()
    before = dict(AcceleratorState._shared_state)  # noqa: SLF001 - there is no other way to see it
    assert before
    transformers_parameters(given, model())
    assert AcceleratorState._shared_state == before  # noqa: SLF001


def test_what_equals_the_librarys_default_is_not_compared_nor_are_seeds_and_folders(tmp_path):
    for seed in range(2):
        given = {
            "seed": seed,
            "data_seed": seed,
            "run_name": f"try {seed}",
            "learning_rate": 5e-5,
            "max_steps": 1,
        }
        callback = LegmCallback(tmp_path / "root", "e")
        trainer(tmp_path / f"out{seed}", callback, model(attention_probs_dropout_prob=0.1), **given).train()
    first, second = runs_of(tmp_path / "root")
    assert first.run.configuration.fingerprint == second.run.configuration.fingerprint
    names = {"eval_strategy", "max_steps", "model.architectures", "per_device_train_batch_size"}
    assert {*first.run.configuration.active} == names | {f"model.{name}" for name in MADE["SMALL"]}
    assert [found.run.parameters["seed"] for found in (first, second)] == [0, 1]
    assert second.run.configuration.parameters["learning_rate"] == 5e-5


def test_what_a_training_writes_into_the_models_configuration_parts_nothing(tmp_path):
    """Its first forward pass and its first checkpoint change the configuration."""
    trained = trainer(
        tmp_path / "out", LegmCallback(tmp_path / "root", "e"), max_steps=2, save_strategy="epoch"
    )
    trained.train()
    trained.train()
    trained = trainer(tmp_path / "out2", LegmCallback(tmp_path / "root", "e"), max_steps=2)
    trained.evaluate()
    trained.train()
    found = runs_of(tmp_path / "root")
    assert len(found) == 3
    assert len({one.run.configuration.fingerprint for one in found}) == 1
    assert found[0].run.configuration.parameters["model.architectures"] == ["BertForSequenceClassification"]


def test_what_is_not_the_librarys_default_is_compared(tmp_path):
    changes = [
        {"learning_rate": 1e-3},
        {"remove_unused_columns": False},
        {"accelerator_config": {"even_batches": False}},
    ]
    for given in changes:
        trainer(tmp_path / "out", LegmCallback(tmp_path / "root", "e"), max_steps=1, **given).train()
    trainer(
        tmp_path / "out", LegmCallback(tmp_path / "root", "e"), model(hidden_act="relu"), max_steps=1
    ).train()
    names = {"learning_rate", "remove_unused_columns", "accelerator_config.even_batches", "model.hidden_act"}
    found = active(tmp_path / "root")
    assert [{*one} & names for one in found] == [
        {"learning_rate"},
        {"remove_unused_columns"},
        {"accelerator_config.even_batches"},
        {"model.hidden_act"},
    ]


def test_a_default_that_a_release_adds_parts_nothing_and_one_that_it_changes_counts(tmp_path, caplog):
    """The next release is a class with one argument more, and then with another default for one."""

    @dataclasses.dataclass
    class Added(transformers.TrainingArguments):
        a_new_argument: float = 0.25
        no_more: bool = True

    @dataclasses.dataclass
    class Changed(Added):
        a_new_argument: float = 0.5

    usual = {"use_cpu": True, "report_to": "none", "max_steps": 1, "save_strategy": "no"}
    releases = [(transformers.TrainingArguments, {}), (Added, {}), (Changed, {})]
    for kind, given in (*releases, (Changed, {}), (Changed, {"a_new_argument": 0.25})):
        args = kind(output_dir=str(tmp_path / "out"), **usual, **given)
        trainer(tmp_path, LegmCallback(tmp_path / "root", "e"), args=args).train()
    fingerprints = [found.run.configuration.fingerprint for found in runs_of(tmp_path / "root")]
    assert fingerprints[0] == fingerprints[1] == fingerprints[4] != fingerprints[2] == fingerprints[3]
    message = f"transformers {transformers.__version__} has the default 0.5 for 'a_new_argument' now"
    assert caplog.text.count(message) == 1


# The best step, several trainings, other trainers


def test_the_best_step_is_the_trainers(tmp_path):
    given = {"load_best_model_at_end": True, "metric_for_best_model": "eval_loss", "save_strategy": "epoch"}
    stopping = EarlyStoppingCallback(early_stopping_patience=1)
    callback = LegmCallback(tmp_path / "root", "e")
    trained = trainer(
        tmp_path / "out", callback, **given, callbacks=[stopping], learning_rate=0.5, num_train_epochs=6
    )
    trained.train()
    found = only_run(tmp_path / "root")
    assert found.best_step == trained.state.best_global_step < trained.state.global_step
    assert dict(points(found, "eval_loss"))[found.best_step] == trained.state.best_metric


def test_each_training_with_one_callback_is_a_run(tmp_path):
    callback = LegmCallback(tmp_path / "root", "e")
    trained = trainer(tmp_path / "out", callback, max_steps=2)
    trained.train()
    trained.args.learning_rate = 1e-3
    trained.train()
    first, second = runs_of(tmp_path / "root")
    assert [first.status, second.status] == [Status.COMPLETED] * 2
    assert first.run.configuration.fingerprint != second.run.configuration.fingerprint


def test_a_training_in_a_with_block_that_raises_is_failed(tmp_path):
    class Broken(transformers.TrainerCallback):
        def on_step_end(self, args, state, control, **_):
            if state.global_step == 2:
                raise ValueError("no data")

    with pytest.raises(ValueError, match="no data"), LegmCallback(tmp_path / "root", "e") as callback:
        trainer(tmp_path / "out", callback, callbacks=[Broken()]).train()
    found = only_run(tmp_path / "root")
    assert (found.status, found.error) == (Status.FAILED, "ValueError: no data")
    assert callback.handler.has_started


def test_a_given_handler_has_the_trainers_parameters(tmp_path):
    handler = ExperimentHandler(tmp_path / "root", "e", "mine")
    handler.set_param("dataset", "made")
    trainer(tmp_path / "out", LegmCallback(handler), max_steps=1).train()
    found = only_run(tmp_path / "root")
    assert found.run.description == "mine"
    assert {"dataset", "max_steps"} <= {*found.run.configuration.active}


@pytest.mark.parametrize("backend", ["local", "mlflow"])
def test_trls_trainer_is_recorded(tmp_path, backend):
    trl = pytest.importorskip("trl")
    datasets = pytest.importorskip("datasets")
    config = transformers.GPT2Config(vocab_size=16, n_positions=16, n_embd=8, n_layer=1, n_head=1)
    args = trl.SFTConfig(
        output_dir=str(tmp_path / "out"),
        max_steps=2,
        logging_steps=1,
        report_to="none",
        use_cpu=True,
        bf16=False,
        save_strategy="no",
        disable_tqdm=True,
        max_length=8,
        dataset_kwargs={"skip_prepare_dataset": True},
    )
    rows = datasets.Dataset.from_list([{"input_ids": [1, 2, 3, 4], "labels": [1, 2, 3, 4]}] * 8)
    tokenizer = words_tokenizer()
    trained = trl.SFTTrainer(
        model=transformers.GPT2LMHeadModel(config),
        args=args,
        train_dataset=rows,
        processing_class=tokenizer,
        callbacks=[LegmCallback(tmp_path / "root", "e", backend=backend)],
    )
    trained.train()
    found = only_run(tmp_path / "root", backend=backend)
    require_same_values(found, trained.state.log_history)
    assert {"max_length", "max_steps"} <= {*found.run.configuration.active}


def words_tokenizer() -> Any:
    from tokenizers import Tokenizer, models

    words = Tokenizer(
        models.WordLevel({"[PAD]": 0, "[UNK]": 1, "a": 2, "b": 3, "[EOS]": 4}, unk_token="[UNK]")
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="[PAD]", unk_token="[UNK]", eos_token="[EOS]"
    )


@pytest.mark.parametrize("backend", ["local", "mlflow"])
def test_sentence_transformers_trainer_is_recorded(tmp_path, backend):
    st = pytest.importorskip("sentence_transformers")
    modules = pytest.importorskip("sentence_transformers.sentence_transformer.modules")
    losses = pytest.importorskip("sentence_transformers.sentence_transformer.losses")
    datasets = pytest.importorskip("datasets")
    folder = tmp_path / "bert"
    transformers.BertModel(BertConfig(**MADE["SMALL"])).save_pretrained(folder)
    words_tokenizer().save_pretrained(folder)
    words = modules.Transformer(str(folder))
    encoder = st.SentenceTransformer(modules=[words, modules.Pooling(8)], device="cpu")
    args = st.SentenceTransformerTrainingArguments(
        output_dir=str(tmp_path / "out"),
        max_steps=2,
        logging_steps=1,
        report_to="none",
        use_cpu=True,
        save_strategy="no",
        disable_tqdm=True,
    )
    pairs = datasets.Dataset.from_dict({"anchor": ["a", "b"] * 4, "positive": ["a a", "b b"] * 4})
    trained = st.SentenceTransformerTrainer(
        model=encoder,
        args=args,
        train_dataset=pairs,
        loss=losses.MultipleNegativesRankingLoss(encoder),
        callbacks=[LegmCallback(tmp_path / "root", "e", backend=backend)],
    )
    trained.train()
    require_same_values(only_run(tmp_path / "root", backend=backend), trained.state.log_history)


def test_the_configuration_of_pefts_adapters_is_compared_and_their_training_recorded(tmp_path):
    peft = pytest.importorskip("peft")

    def adapted(**given: Any) -> Any:
        usual = {"task_type": "SEQ_CLS", "target_modules": ["query", "value"]}
        return peft.get_peft_model(model(), peft.LoraConfig(**usual, **given))

    for given in ({"r": 2}, {"r": 2, "lora_alpha": 8}, {"r": 4}):  # 8 is the default
        trained = trainer(
            tmp_path / "out", LegmCallback(tmp_path / "root", "e"), adapted(**given), max_steps=2
        )
        trained.train()
    found = runs_of(tmp_path / "root")
    require_same_values(found[-1], trained.state.log_history)
    active_names = {*found[0].run.configuration.active}
    own = {f"peft.{name}" for name in ("r", "task_type", "target_modules", "modules_to_save")}
    assert own <= active_names
    assert {name for name in active_names if name.startswith("peft.")} == own
    assert [one.run.configuration.parameters["peft.r"] for one in found] == [2, 2, 4]
    fingerprints = [one.run.configuration.fingerprint for one in found]
    assert fingerprints[0] == fingerprints[1] != fingerprints[2]
    assert found[0].run.configuration.parameters["peft.target_modules"] == {"legm:set": ["query", "value"]}


# Processes

SCRIPT = (
    MODEL
    + """
import json, os, signal, sys
from transformers import Trainer, TrainerCallback
from legm.integrations.transformers import LegmCallback

class Kill(TrainerCallback):
    def on_step_end(self, args, state, control, **_):
        if state.global_step == int(os.environ.get("KILLED_AT", -1)):
            ours.handler.flush()
            print("KILLED", ours.handler.run_id, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)

ours = LegmCallback("root", "e", backend=os.environ.get("STORED_IN", "local"))
args = arguments("out", save_strategy="epoch", seed=3)
data = {"train_dataset": Data(), "eval_dataset": Data()}
trainer = Trainer(model=model(), args=args, callbacks=[ours, Kill()], **data)
trainer.train(resume_from_checkpoint=os.environ.get("CKPT"))
if trainer.is_world_process_zero():
    print("HISTORY", json.dumps(trainer.state.log_history))
"""
)


def train(folder: Path, *launcher: str, **environ: str) -> subprocess.CompletedProcess[str]:
    folder.mkdir(exist_ok=True)
    (folder / "train.py").write_text(SCRIPT)
    return subprocess.run(
        [sys.executable, "-W", "ignore", *launcher, "train.py"],
        cwd=folder,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def history(done: subprocess.CompletedProcess[str]) -> list[dict[str, float]]:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.partition("HISTORY ")[2].splitlines()[0])


TIMES = ("runtime", "per_second", "total_flos")


@pytest.mark.parametrize("backend", ["local", "mlflow"])
def test_a_training_that_was_killed_and_resumed_leaves_what_is_in_the_trainers_history(tmp_path, backend):
    if backend == "mlflow":
        prepare_store(tmp_path / "root" / "mlflow.db")
    killing = train(tmp_path, KILLED_AT="11", STORED_IN=backend)
    assert killing.returncode == -signal.SIGKILL, killing.stderr
    if backend == "local":  # elsewhere the run may have to be delivered still
        assert only_run(tmp_path / "root").last_step == 10
    rows = history(train(tmp_path, CKPT="out/checkpoint-8", STORED_IN=backend))
    found = only_run(tmp_path / "root", backend=backend)
    assert f"KILLED {found.run.run_id}\n" in killing.stdout
    require_same_values(found, rows)
    whole = tmp_path / "whole"
    expected = history(train(whole))
    never = only_run(whole / "root")
    for series in never.histories:
        if not series.name.endswith(TIMES) and series.name != "train_loss":
            assert points(found, series.name) == points(never, series.name), series
    assert len(expected) == len(rows)


def test_of_two_processes_the_main_one_records(tmp_path):
    launcher = ("-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone")
    rows = history(train(tmp_path, *launcher))
    require_same_values(only_run(tmp_path / "root"), rows)
