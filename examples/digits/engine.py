"""The training engine: a small neural network in plain numpy, and the loop that fits it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

MOMENTUM = 0.9


@dataclass
class Network:
    """One hidden layer: `first` and `second` are weights with the bias as their last row."""

    first: np.ndarray
    second: np.ndarray

    @classmethod
    def random(cls, inputs: int, hidden: int, classes: int, rng: np.random.Generator) -> Network:
        # He's initialisation: the signal keeps its size through a ReLU.
        return cls(
            np.vstack([rng.normal(0, np.sqrt(2 / inputs), (inputs, hidden)), np.zeros(hidden)]),
            np.vstack([rng.normal(0, np.sqrt(2 / hidden), (hidden, classes)), np.zeros(classes)]),
        )

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        return self._forward(images)[1]

    def _forward(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        hidden = np.maximum(_with_one(images) @ self.first, 0)
        scores = _with_one(hidden) @ self.second
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        return hidden, powers / powers.sum(axis=1, keepdims=True)

    def gradients(self, images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The slopes of the mean cross-entropy, in the order of the weights."""
        hidden, error = self._forward(images)
        error[np.arange(len(labels)), labels] -= 1
        error /= len(labels)
        back = (error @ self.second[:-1].T) * (hidden > 0)
        return _with_one(images).T @ back, _with_one(hidden).T @ error


@dataclass(frozen=True)
class Epoch:
    number: int
    loss: float
    accuracy: float


def fit(
    network: Network,
    train: tuple[np.ndarray, np.ndarray],
    *,
    epochs: int,
    rate: float,
    batch: int,
    rng: np.random.Generator,
) -> Iterator[Epoch]:
    """Improve `network` in place by stochastic gradient descent with momentum; yields after each epoch."""
    images, labels = train
    speeds = [np.zeros_like(network.first), np.zeros_like(network.second)]
    for number in range(1, epochs + 1):
        for some in np.array_split(rng.permutation(len(labels)), max(len(labels) // batch, 1)):
            slopes = network.gradients(images[some], labels[some])
            speeds = [MOMENTUM * speed - rate * slope for speed, slope in zip(speeds, slopes, strict=True)]
            network.first += speeds[0]
            network.second += speeds[1]
        yield Epoch(number, *judge(network, train))


def judge(network: Network, data: tuple[np.ndarray, np.ndarray]) -> tuple[float, float]:
    """Mean cross-entropy and share of right answers."""
    images, labels = data
    probabilities = network.probabilities(images)
    of_truth = probabilities[np.arange(len(labels)), labels]
    # A probability that underflows to 0 would make the loss infinite.
    return float(-np.log(np.maximum(of_truth, 1e-12)).mean()), float((probabilities.argmax(axis=1) == labels).mean())


def _with_one(values: np.ndarray) -> np.ndarray:
    return np.hstack([values, np.ones((len(values), 1))])
