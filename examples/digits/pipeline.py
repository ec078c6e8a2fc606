"""Read handwritten digits: train, pack for the letter sorters, judge what they get."""

import numpy as np
from instep import log, progress, step
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from engine import Network, fit, judge
from remote.store import pack, unpack

Labelled = tuple[np.ndarray, np.ndarray]


@step(outputs=["images", "labels"])
def digits() -> Labelled:
    """1,797 images of 8 x 8 dots, each from 0 to 1, and the digit each shows."""
    images, labels = load_digits(return_X_y=True)
    return images / 16, labels


@step(outputs=["train", "test"])
def split(
    images: np.ndarray, labels: np.ndarray, *, test_share: float = 0.25, seed: int = 0
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    picks = train_test_split(np.arange(len(labels)), test_size=test_share, random_state=seed, stratify=labels)
    train, test = ({"images": images[pick], "labels": labels[pick]} for pick in picks)
    return train, test


@step  # on a cluster: @step(gpus=1, timeout="2h"), see README.md
def model(
    train: dict[str, np.ndarray],
    *,
    hidden: int = 32,
    epochs: int = 30,
    rate: float = 0.05,
    batch: int = 32,
    seed: int = 0,
) -> Network:
    """A network, its loss and accuracy logged after each epoch: watch the curve while it runs."""
    rng = np.random.default_rng(seed)
    images, labels = _pair(train)
    network = Network.random(images.shape[1], hidden, classes=10, rng=rng)
    for epoch in progress(fit(network, (images, labels), epochs=epochs, rate=rate, batch=batch, rng=rng), total=epochs):
        log(epoch=epoch.number, loss=epoch.loss, accuracy=epoch.accuracy)
    return network


@step
def packed(model: Network) -> bytes:
    return pack(model)


@step
def score(model: Network, packed: bytes, test: dict[str, np.ndarray]) -> dict[str, float]:
    """The model as trained and as packed: what does the smaller size cost?"""
    loss, accuracy = judge(model, _pair(test))
    _, packed_accuracy = judge(unpack(packed), _pair(test))
    return {"loss": loss, "accuracy": accuracy, "packed_accuracy": packed_accuracy, "packed_bytes": len(packed)}


@step
def mistakes(model: Network, test: dict[str, np.ndarray], *, most: int = 12) -> Figure:
    """The images it read wrong, the surest first: what it read, and what is right."""
    images, labels = _pair(test)
    probabilities = model.probabilities(images)
    read = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(read != labels)
    worst = wrong[np.argsort(-probabilities[wrong, read[wrong]], kind="stable")][:most]
    figure = Figure(figsize=(6, 4), layout="constrained")
    for axes, place in zip(figure.subplots(-(-most // 4), 4, squeeze=False).flat, worst, strict=False):
        axes.imshow(images[place].reshape(8, 8), cmap="gray_r")
        axes.set_title(f"{read[place]}, not {labels[place]}", fontsize=9)
    for axes in figure.axes:
        axes.axis("off")
    return figure


def _pair(data: dict[str, np.ndarray]) -> Labelled:
    return data["images"], data["labels"]
