"""Words in context by a pretrained transformer.

References:
    [P18] Peters et al., Deep contextualized word representations, 2018, equation 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from metamann.encoders.inputs import check_text
from metamann.encoders.lexicon import LexiconTables
from metamann.encoders.pieces import PieceTable, piece_table, special_pieces, unknown_pieces
from metamann.encoders.transformer import MINILM, load_transformer
from metamann.encoders.windows import Window, groups, windows
from metamann.episodes.text import Text, number_words
from metamann.errors import ConfigError, check_number, check_size
from metamann.hardware import full_precision


class PretrainedEncoder(nn.Module):
    """The mean of a word's pieces, in a learned mix of the layers of a pretrained model.

    The mix is `scale * sum of softmax(mix)_l * layer_l` over the embeddings and all layers [P18]. A sentence longer
    than the model's positions is read in windows that overlap; nothing is cut. Sentences of like length run together.

    Args:
        model: name or folder; see `load_transformer`.
        trained_layers: how many of the top layers are fine-tuned. The others, and the embeddings, stay as they are,
            without dropout.
        window: most pieces that the model sees at once, special ones included; as many as it has positions when None.
        overlap: of two windows, pieces.
        dropout: share of the features dropped, in training.

    Raises:
        ConfigError: if there is no such model, it has fewer layers, the windows do not fit, or a number is out of its
            range.
        DataError: if the weights of the default model are not the published ones.

    Examples:
        >>> encoder = PretrainedEncoder(trained_layers=2)  # doctest: +SKIP
        >>> encoder(Text.of([["Anna", "sings"]], lexicon=("Anna", "sings"))).shape  # doctest: +SKIP
        torch.Size([1, 1, 2, 384])
    """

    def __init__(
        self,
        model: str = MINILM,
        trained_layers: int = 0,
        window: int | None = None,
        overlap: int = 128,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        check_size("encoder.window", window, optional=True)
        check_size("encoder.overlap", overlap, least=0)
        check_number("encoder.trained_layers", trained_layers, least=0, whole=True)
        check_number("encoder.dropout", dropout, least=0, most=1)
        self.model, self.tokenizer = load_transformer(model)
        layers = self.model.config.num_hidden_layers
        self.special = special_pieces(self.tokenizer)
        self.window = _positions(self.model, self.tokenizer) if window is None else window
        self.room = self.window - len(self.special.before) - len(self.special.after)
        if not 0 <= overlap < self.room or self.window > _positions(self.model, self.tokenizer):
            raise ConfigError(
                f"windows of {self.window} pieces that overlap by {overlap} do not fit; model '{model}' has "
                f"{_positions(self.model, self.tokenizer)} positions. Set encoder.window and encoder.overlap."
            )
        self.name, self.overlap = model, overlap
        self.trained = _top_layers(self.model, layers, trained_layers)
        self.model.requires_grad_(False)
        for layer in self.trained:
            layer.requires_grad_(True)
        self.mix = nn.Parameter(torch.zeros(layers + 1))
        self.scale = nn.Parameter(torch.ones(()))
        self.dropout = nn.Dropout(dropout)
        self.features = int(self.model.config.hidden_size)
        # the first pass installs the hooks that collect hidden states; clones of learn2learn share the hooks of what
        # they are cloned from, and would each install their own beside them
        with torch.no_grad():
            self.model(input_ids=torch.zeros(1, 1, dtype=torch.int64), output_hidden_states=True)
        # pieces are cut into windows and groups on the CPU, wherever the model is
        self._tables = LexiconTables(self._table)

    def extra_repr(self) -> str:
        """What changes the features beside the parameters."""
        return f"{self.name}, window={self.window}, overlap={self.overlap}"

    def train(self, mode: bool = True) -> PretrainedEncoder:
        """Training mode for what is trained: frozen layers give the same features always."""
        super().train(mode)
        self.model.eval()
        for layer in self.trained:
            layer.train(mode)
        return self

    def forward(self, inputs: Text) -> Tensor:
        """Encode words, `batch x sentences x length` to `batch x sentences x length x features`; zeros at padding."""
        check_text(inputs)
        words, device = inputs.words.cpu(), inputs.words.device
        present = words >= 0
        features = torch.zeros(*words.shape, self.features, device=device)
        if not present.any():
            return features
        table = self._tables(inputs.lexicon, words.device)
        pieces, place = table.of_words(words[present])
        count = table.length[words[present]].tolist()
        plan = self._windows(count, present.sum(-1).flatten().tolist())
        encoded, places = [], []
        for group in groups([window.end - window.start for window in plan]):
            chosen = [plan[number] for number in group]
            encoded.append(self._run(pieces, chosen))
            places += [torch.arange(window.own_start, window.own_end) for window in chosen]
        owner = place[torch.cat(places)].to(device)
        with full_precision(device):
            total = features.new_zeros(len(count), self.features).index_add(0, owner, torch.cat(encoded))
            mean = total / torch.tensor(count, device=device).unsqueeze(-1)
        features[present.to(device)] = self.dropout(mean)
        return features

    def unknown_shares(self, sentences: Sequence[Sequence[str]], lexicon: tuple[str, ...]) -> Tensor:
        """Share of the pieces of each sentence that say nothing, see `unknown_pieces`, `sentences`; 0 without words.

        Args:
            sentences: the words of each.
            lexicon: that has all of them.
        """
        table = self._tables(lexicon, torch.device("cpu"))
        of_word = torch.stack([unknown_pieces(self.tokenizer, table), table.length]).float()
        sizes = torch.tensor([len(sentence) for sentence in sentences], dtype=torch.int64)
        place = torch.arange(len(sizes)).repeat_interleave(sizes)
        words = torch.from_numpy(number_words(sentences, lexicon))
        of_sentence = torch.zeros(2, len(sizes)).index_add(1, place, of_word[:, words])
        return of_sentence[0] / of_sentence[1].clamp_min(1)

    def _table(self, lexicon: tuple[str, ...], device: torch.device) -> PieceTable:
        return PieceTable(*(tensor.to(device) for tensor in piece_table(self.tokenizer, lexicon)))

    def _windows(self, count: list[int], lengths: list[int]) -> list[Window]:
        """Windows over all sentences, whose pieces stand one after another.

        Args:
            count: pieces of each word.
            lengths: words of each sentence.
        """
        plan: list[Window] = []
        offset = 0
        for end, length in zip(accumulate(lengths), lengths, strict=True):
            sentence = count[end - length : end]
            if sentence:
                plan += windows(sentence, self.room, self.overlap, offset)
            offset += sum(sentence)
        return plan

    def _run(self, pieces: Tensor, chosen: list[Window]) -> Tensor:
        """Features of the pieces that these windows own, `pieces x features`, window after window."""
        before, after = (torch.tensor(ids, dtype=torch.int64) for ids in self.special[:2])
        device = self.mix.device
        rows = [torch.cat([before, pieces[window.start : window.end], after]) for window in chosen]
        padded = pad_sequence(rows, batch_first=True, padding_value=self.tokenizer.pad_token_id or 0)
        lengths = torch.tensor([len(row) for row in rows])
        mask = torch.arange(padded.shape[1]) < lengths.unsqueeze(-1)
        layers = self.model(
            input_ids=padded.to(device), attention_mask=mask.to(device), output_hidden_states=True
        ).hidden_states
        owned = torch.zeros_like(mask)
        for row, window in enumerate(chosen):
            shift = len(before) - window.start
            owned[row, window.own_start + shift : window.own_end + shift] = True
        owned = owned.to(device)
        with full_precision(device):
            weights = self.scale * self.mix.softmax(0)
            mixed: Tensor = sum(weight * layer[owned].float() for weight, layer in zip(weights, layers, strict=True))
        return mixed


def _positions(model: Any, tokenizer: Any) -> int:
    """Most pieces that the model can tell the places of."""
    positions = int(getattr(model.config, "max_position_embeddings", None) or tokenizer.model_max_length)
    for name, module in model.named_modules():
        # RoBERTa and its kin count positions from the one after padding
        if name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None:
            positions -= module.padding_idx + 1
    return min(positions, int(tokenizer.model_max_length))


def _top_layers(model: Any, layers: int, trained: int) -> tuple[nn.Module, ...]:
    """The last `trained` of the model's layers.

    Raises:
        ConfigError: if there are not as many.
    """
    stack = [module for module in model.modules() if isinstance(module, nn.ModuleList) and len(module) == layers]
    if trained and (trained > layers or not stack):
        raise ConfigError(f"encoder.trained_layers={trained}, but the model has {layers if stack else 0} to train.")
    return tuple(stack[0][layers - trained :]) if trained else ()
