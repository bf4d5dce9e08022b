"""Tags of a sentence from scores of its tokens: spans, transitions shared over types, Viterbi, CRF."""
