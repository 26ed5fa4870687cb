"""Sounds of files, beside a number."""

import math
import wave
from array import array

import wandb

with wave.open("tone.wav", "wb") as file:
    file.setnchannels(1)
    file.setsampwidth(2)
    file.setframerate(8000)
    file.writeframes(array("h", [int(9000 * math.sin(number / 8)) for number in range(800)]).tobytes())
with wandb.init(project="sounds") as run:
    run.log({"tone": wandb.Audio("tone.wav", caption="a tone"), "volume": 0.5})
