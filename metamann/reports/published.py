"""Published results for comparison; each set names its source and protocol.

References:
    [S16] Santoro et al., Meta-Learning with Memory-Augmented Neural Networks, ICML 2016, table 1: Omniglot stream,
        5 classes, 50 images, within the background / evaluation characters of the authors' own split.
    [L19] Lake, Salakhutdinov and Tenenbaum, The Omniglot challenge: a 3-year progress report, Current Opinion in
        Behavioral Sciences 29, 2019: error rates on the 20 one-shot runs, learners trained on background alphabets.
"""

from __future__ import annotations

INSTANCES = (1, 2, 3, 4, 5, 10)

# accuracy on the k-th instance of a class
STREAM_5_WAY: dict[str, tuple[float, ...]] = {
    "MANN LRUA (Santoro et al. 2016)": (0.364, 0.828, 0.910, 0.926, 0.949, 0.981),
    "LSTM (Santoro et al. 2016)": (0.244, 0.495, 0.553, 0.610, 0.636, 0.625),
    "people (Santoro et al. 2016)": (0.345, 0.573, 0.701, 0.718, 0.814, 0.924),
}

# error rate on Lake's 20 within-alphabet runs
LAKE_RUNS: dict[str, float] = {
    "BPL (Lake et al. 2015)": 0.033,
    "people (Lake et al. 2015)": 0.045,
    "RCN (George et al. 2017)": 0.073,
    "convolutional Siamese net (Koch et al. 2015)": 0.080,
}
