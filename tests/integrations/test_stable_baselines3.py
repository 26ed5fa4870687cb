"""Trainings with Stable-Baselines3, compared with the CSV file of its own logger."""

from __future__ import annotations

import csv
import json

import gymnasium
import numpy as np
import pytest
from stable_baselines3 import A2C, DQN, PPO, SAC
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.logger import Figure, Image, Logger, configure
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv

import legm
from legm import ExperimentHandler
from legm.integrations.stable_baselines3 import LegmCallback, LegmOutputFormat
from legm.records import Status
from tests.support.logged_media import logged_pictures
from tests.support.reading import runs_of
from tests.support.trainer_runs import only_run, points


def learned(algorithm, folder, callback, environment="CartPole-v1", timesteps=192, n_envs=1, **arguments):
    env = make_vec_env(environment, n_envs=n_envs, seed=3, monitor_dir=str(folder / "monitor"))
    model = algorithm("MlpPolicy", env, device="cpu", seed=3, **arguments)
    model.set_logger(configure(str(folder / "csv"), ["csv"]))
    model.learn(timesteps, callback=callback, log_interval=1)
    model.logger.close()
    env.close()


def assert_same_as_csv(found, path) -> None:
    """Every key at every timestep, the last one of a timestep, and no other."""
    theirs: dict[str, dict[int, float]] = {}
    for row in csv.DictReader(path.read_text().splitlines()):
        step = int(float(row["time/total_timesteps"]))
        for name, text in row.items():
            if text:
                theirs.setdefault(name, {})[step] = float(text)
    assert sum(map(len, theirs.values())) > 10
    episodes = {"episode/reward", "episode/length"}
    assert {series.name for series in found.histories} == {*theirs} | episodes
    for name, values in theirs.items():
        ours = dict(points(found, name))
        assert ours.keys() == values.keys(), name
        for step, value in values.items():  # the file has 32 bits of some
            assert ours[step] == value or np.float32(ours[step]) == np.float32(value), name


def episodes(folder) -> list[tuple[float, float]]:
    found = []
    for path in folder.glob("*.monitor.csv"):
        _, *rows = path.read_text().splitlines()
        found += [(float(row["r"]), float(row["l"])) for row in csv.DictReader(rows)]
    return sorted(found)


def test_every_key_of_the_logger_is_recorded_at_its_timestep(tmp_path):
    callback = LegmCallback(tmp_path / "root", "e", backend=["local", "mlflow"])
    learned(PPO, tmp_path, callback, n_steps=32, batch_size=16, n_envs=2)
    for backend in ("local", "mlflow"):
        found = only_run(tmp_path / "root", backend=backend)
        assert_same_as_csv(found, tmp_path / "csv" / "progress.csv")
        assert found.status is Status.COMPLETED
        rewards, lengths = points(found, "episode/reward"), points(found, "episode/length")
        own = sorted((reward, length) for (_, reward), (_, length) in zip(rewards, lengths, strict=True))
        assert own == episodes(tmp_path / "monitor")


@pytest.mark.parametrize(
    ("algorithm", "environment", "arguments"),
    [
        (A2C, "CartPole-v1", {"n_steps": 16}),
        (DQN, "CartPole-v1", {"learning_starts": 20, "buffer_size": 300}),
        (SAC, "Pendulum-v1", {"learning_starts": 150, "buffer_size": 300}),
    ],
)
def test_other_algorithms_are_recorded_with_their_own_arguments(tmp_path, algorithm, environment, arguments):
    timesteps = 208 if algorithm is SAC else 96
    learned(algorithm, tmp_path, LegmCallback(tmp_path / "root", "e"), environment, timesteps, **arguments)
    found = only_run(tmp_path / "root")
    assert_same_as_csv(found, tmp_path / "csv" / "progress.csv")
    configuration = found.run.configuration
    for name, value in arguments.items():
        assert configuration.parameters[f"{algorithm.__name__}.{name}"] == value
        assert f"{algorithm.__name__}.{name}" in configuration.active
    assert " at 0x" not in json.dumps(dict(configuration.parameters))
    assert configuration.parameters["policy"] == "MlpPolicy"


def test_what_equals_the_default_and_seeds_do_not_distinguish(tmp_path):
    callback = LegmCallback(tmp_path, "e")
    for seed, arguments in ((1, {}), (2, {"gamma": 0.99, "clip_range": 0.2}), (1, {"clip_range": 0.1})):
        env = make_vec_env("CartPole-v1", n_envs=2, seed=seed)
        PPO("MlpPolicy", env, n_steps=16, batch_size=8, seed=seed, device="cpu", **arguments).learn(
            32, callback
        )
    first, second, third = runs_of(tmp_path)
    assert first.run.configuration.fingerprint == second.run.configuration.fingerprint
    assert [one.run.parameters["seed"] for one in (first, second)] == [1, 2]
    configuration = third.run.configuration
    assert {name: configuration.parameters[name] for name in configuration.active} == {
        "algorithm": "PPO",
        "policy": "MlpPolicy",
        "env": "CartPole-v1",
        "n_envs": 2,
        "total_timesteps": 32,
        "PPO.n_steps": 16,
        "PPO.batch_size": 8,
        "PPO.clip_range": 0.1,
    }


@pytest.mark.parametrize("vector", [DummyVecEnv, SubprocVecEnv])
def test_seeds_that_the_vector_of_environments_has_are_those_of_the_run(tmp_path, vector):
    """Also where the model has none."""
    for seed in (7, 40):
        env = make_vec_env("CartPole-v1", n_envs=2, seed=seed, vec_env_cls=vector)
        model = PPO("MlpPolicy", env, n_steps=16, batch_size=8, device="cpu")
        model.learn(32, LegmCallback(tmp_path, "e"))
        env.close()
    first, second = runs_of(tmp_path)
    assert [one.run.parameters["env.seed"] for one in (first, second)] == [[7, 8], [40, 41]]
    assert first.run.configuration.fingerprint == second.run.configuration.fingerprint


def test_an_environment_without_a_seed_has_none(tmp_path):
    PPO("MlpPolicy", "CartPole-v1", n_steps=16, batch_size=8, device="cpu").learn(
        16, LegmCallback(tmp_path, "e")
    )
    assert "env.seed" not in only_run(tmp_path).run.parameters


def test_learning_that_continues_is_one_run(tmp_path):
    callback = LegmCallback(tmp_path, "e")
    model = PPO("MlpPolicy", "CartPole-v1", n_steps=16, batch_size=8, device="cpu")
    model.learn(32, callback)
    model.learn(32, callback, reset_num_timesteps=False)
    steps = [step for step, _ in points(only_run(tmp_path), "time/total_timesteps")]
    assert steps == [16, 32, 48, 64]
    assert not any(isinstance(one, LegmOutputFormat) for one in model.logger.output_formats)


def test_a_logger_with_legms_output_fills_a_run_of_the_users(tmp_path):
    model = PPO("MlpPolicy", "CartPole-v1", n_steps=16, batch_size=8, device="cpu")
    with ExperimentHandler(tmp_path, "e").start() as handler:
        model.set_logger(Logger(str(tmp_path), [LegmOutputFormat(handler)]))
        model.learn(32)
    assert [step for step, _ in points(only_run(tmp_path), "time/total_timesteps")] == [16, 32]


def test_pictures_figures_and_texts_of_the_logger_are_media(tmp_path):
    from matplotlib.figure import Figure as Drawing

    pixels = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)

    class Draws(BaseCallback):
        def _on_step(self) -> bool:
            if self.n_calls == 1:
                self.logger.record("drawn", Figure(Drawing(), close=False), exclude="csv")
                self.logger.record("seen", Image(pixels.transpose(2, 0, 1), "CHW"), exclude="csv")
                self.logger.record("note", "begun")
            return True

    model = PPO("MlpPolicy", "CartPole-v1", n_steps=16, batch_size=8, device="cpu")
    model.learn(16, [LegmCallback(tmp_path, "e"), Draws()])
    media = legm.open(tmp_path).media()
    found = {*zip(media["name"], media["kind"], media["step"], strict=True)}
    assert found == {("drawn", "figure", 16), ("seen", "image", 16), ("note", "text", 16)}
    ((_, _, picture),) = logged_pictures(tmp_path, "seen")
    assert np.array_equal(picture, pixels)


def test_an_exception_in_learning_makes_the_run_failed(tmp_path):
    class Breaks(gymnasium.Wrapper):
        def step(self, action):
            raise ValueError("no step")

    model = PPO("MlpPolicy", Breaks(gymnasium.make("CartPole-v1")), n_steps=16, batch_size=8, device="cpu")
    with pytest.raises(ValueError, match="no step"), LegmCallback(tmp_path, "e") as callback:
        model.learn(16, callback)
    assert only_run(tmp_path).error == "ValueError: no step"
