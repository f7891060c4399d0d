"""The tour's data: the 1,797 handwritten 8 × 8 digits that ship inside scikit-learn."""


def digits():
    """All images in a fixed random order, float64 ``(1797, 64)``, pixels from 0 to 16.

    E. Alpaydin & C. Kaynak, "Optical recognition of handwritten digits", UCI Machine Learning
    Repository, 1998.
    """
    import numpy as np
    from sklearn.datasets import load_digits

    images = load_digits().data
    return images[np.random.default_rng(0).permutation(len(images))]


def training_and_held_out():
    """1,200 images to learn from and the 597 others, pixels from −1 to 1."""
    images = digits() / 8 - 1
    return images[:1200], images[1200:]
