# hydra_job.py
import hydra

from legm.integrations.hydra import job_handler
from training import losses


@hydra.main(version_base=None, config_path=".", config_name="config")
def job(cfg):
    handler = job_handler()
    for epoch, loss in losses(cfg.lr, cfg.seed):
        handler.set_metric("loss", loss, step=epoch)


if __name__ == "__main__":
    job()
