"""A picture with boxes and a mask over it."""

import numpy as np
import wandb

pixels = np.zeros((8, 8, 3), np.uint8)
boxes = {
    "predictions": {
        "box_data": [
            {
                "position": {"minX": 0.1, "maxX": 0.5, "minY": 0.1, "maxY": 0.5},
                "class_id": 1,
                "box_caption": "cat",
                "scores": {"score": 0.9},
            }
        ],
        "class_labels": {1: "cat"},
    }
}
masks = {"truth": {"mask_data": np.ones((8, 8), np.uint8), "class_labels": {1: "cat"}}}
with wandb.init(project="boxes_and_masks") as run:
    run.log({"image": wandb.Image(pixels, boxes=boxes, masks=masks), "iou": 0.75})
