"""Randomness as a pure function of a seed and a key, so that order, sharding and resuming never change a draw."""

import hashlib
import random

import numpy as np


def key_hash(*key: object) -> int:
    """A 64-bit hash of the key's parts, the same on every machine and in every process."""
    digest = hashlib.blake2b("\x1f".join(map(str, key)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def uniform(*key: object) -> float:
    """A number in [0, 1) drawn from the key alone."""
    return key_hash(*key) / 2**64


def generator(*key: object) -> np.random.Generator:
    """A random generator that belongs to the key alone."""
    return np.random.Generator(np.random.Philox(key=key_hash(*key)))


def seed_process(seed: int) -> None:
    """Seed the global generators too, for libraries that use them behind our back."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
