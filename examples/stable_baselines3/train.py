# train.py
from stable_baselines3 import PPO

from legm.integrations.stable_baselines3 import LegmCallback

for learning_rate in (0.0003, 0.003):
    for seed in range(2):
        model = PPO(
            "MlpPolicy",
            "CartPole-v1",
            learning_rate=learning_rate,
            n_steps=128,
            seed=seed,
            device="cpu",
        )
        model.learn(256, callback=LegmCallback("results", "cartpole"))
