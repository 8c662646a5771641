"""Explain an image on a small vision transformer, through a real server.

Nothing is downloaded: the model learns here, within seconds, to see red and blue bars on a speckled ground.
Then a server explains what it sees in a new image: first plainly, then averaged over noisy copies. The page
that is written shows both, the image in grey under its scores in colour.
"""

import argparse
import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessorPil

from ligserve.client import Client, Explanation, ImageClassification, LigserveError, NoiseTunnel

SIDE = 48
LABELS = {0: "nothing", 1: "red bar", 2: "blue bar"}
READY = "ligserve ready on "
STEPS, BATCH = 100, 32
BAR_WIDTH, BAR_HEIGHT = 10, 24
STOP_SECONDS = 60


def main() -> int:
    """Run the example; 0 if all of it worked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("build/models/shapes"))
    parser.add_argument("--html", type=Path, default=Path("build/image_classification.html"))
    arguments = parser.parse_args()
    if not (arguments.model / "model.safetensors").exists():
        print("Teaching a small vision transformer to see red and blue bars.", flush=True)
        teach(arguments.model)
    image, (left, top) = drawn(2, np.random.default_rng(2024))
    right, bottom = left + BAR_WIDTH - 1, top + BAR_HEIGHT - 1
    print(f"The image: a blue bar, columns {left} to {right}, rows {top} to {bottom}.")
    try:
        with server(arguments.model) as address, Client(address) as client:
            # Raw pixels are sent as they are; a file would be sent by its bytes.
            plain = client.explain("shapes", ImageClassification(image), tolerance=0.01)
            task = ImageClassification(image, noise_tunnel=NoiseTunnel(samples=10, stdev=0.3))
            smooth = client.explain("shapes", task, tolerance=0.05)
    except (LigserveError, OSError) as error:
        print(f"image_classification: {error}", file=sys.stderr)
        return 1
    plain.print()
    show(plain, "Integrated gradients")
    show(smooth, "The mean over 10 noisy copies (smoothgrad)")
    arguments.html.parent.mkdir(parents=True, exist_ok=True)
    arguments.html.write_text(f"<!DOCTYPE html><meta charset=utf-8>{plain.html()}{smooth.html()}", "utf-8")
    print(f"The same as pictures: {arguments.html}")
    return 0


def show(explanation: Explanation, title: str) -> None:
    """Say which patches count, and how exact that is."""
    target = explanation.targets[0]
    print(f"\n{title}: {target.points} points, the scores add up to {target.score_sum:+.3f},", end=" ")
    print(f"the probability changes by {target.f_input - target.f_baseline:+.3f}. The strongest patches:")
    for patch in explanation.top_patches(3):
        where = f"columns {patch.left} to {patch.right - 1}, rows {patch.top} to {patch.bottom - 1}"
        print(f"  {patch.score:+.3f}  {where}")


def drawn(label: int, random: np.random.Generator) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """A speckled image with nothing (0), a red (1) or a blue (2) bar somewhere on it; and where."""
    image = random.integers(48, 208, (SIDE, SIDE, 3)).astype(np.uint8)
    left, top = int(random.integers(SIDE - BAR_WIDTH)), int(random.integers(SIDE - BAR_HEIGHT))
    if label:
        colour = [40, 40, 40]
        colour[2 * (label - 1)] = int(random.integers(180, 256))
        image[top : top + BAR_HEIGHT, left : left + BAR_WIDTH] = colour
    return image, (left, top)


def teach(directory: Path) -> None:
    """Train a classifier and write it with its image processor, as `ligserve serve --model` takes it."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    random = np.random.default_rng(0)
    config = ViTConfig(
        hidden_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=96,
        image_size=SIDE,
        patch_size=8,
        id2label=LABELS,
        label2id={label: index for index, label in LABELS.items()},
    )
    model, processor = (
        ViTForImageClassification(config),
        ViTImageProcessorPil(size={"height": SIDE, "width": SIDE}),
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for step in range(STEPS):
        labels = random.integers(0, 3, BATCH).tolist()
        images = [drawn(label, random)[0] for label in labels]
        output = model(**processor(images, return_tensors="pt"), labels=torch.tensor(labels))
        optimizer.zero_grad()
        output.loss.backward()
        optimizer.step()
        if step % 20 == 19:
            print(f"  step {step + 1}: loss {output.loss.item():.3f}", flush=True)
    model.save_pretrained(directory)
    processor.save_pretrained(directory)


@contextlib.contextmanager
def server(model: Path) -> Iterator[str]:
    """A running server with the model; gives its address. It is asked to stop on the way out."""
    command = [sys.executable, "-m", "ligserve.client", "serve", "--model", f"shapes={model}"]
    command += ["--listen", "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield address_of(process)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(STOP_SECONDS)


def address_of(process: subprocess.Popen[str]) -> str:
    """Wait until the server says that it can answer, and where.

    Raises:
        OSError: it ended before; its log on standard error says why.
    """
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(READY):
            return line.removeprefix(READY).strip()
    raise OSError("the server did not start; its log above says why")


if __name__ == "__main__":
    sys.exit(main())
