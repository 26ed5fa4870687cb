"""Stable-Baselines3 with wandb's callback, and its TensorBoard logger followed."""

from stable_baselines3 import PPO
from wandb.integration.sb3 import WandbCallback

import wandb

wandb.init(project="stable_baselines3_callback", config={"policy": "MlpPolicy"}, sync_tensorboard=True)
options = {"n_steps": 64, "batch_size": 32, "n_epochs": 1, "seed": 0, "device": "cpu"}
model = PPO("MlpPolicy", "CartPole-v1", tensorboard_log="events", **options)
model.learn(192, callback=WandbCallback())
assert model.num_timesteps == 192
wandb.finish()
