# train.py
import hydra

from legm.integrations.hydra import job_handler


@hydra.main(version_base=None, config_path=".", config_name="config")
def train(cfg):
    handler = job_handler()
    for epoch in range(cfg.epochs):
        handler.set_metric("loss", abs(cfg.lr - 0.03) + 1 / (1 + epoch) + cfg.seed / 100, step=epoch)


if __name__ == "__main__":
    train()
