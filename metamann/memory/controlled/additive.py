"""Additive memory: rows that only ever grow, addressed by attention [B15] and written by attention.

    alpha_t = softmax_i(score(q_t, M_{t-1,i}))                       one of four scores, see `scores.py`
    r_t     = sum_i alpha_{t,i} M_{t-1,i}
    h_t     = controller([x_t; y_{t-1}; r_t], h_{t-1})
    beta_t  = softmax_i(v^T tanh(W_h h_t + W_m M_{t-1,i}))
    gamma_t = tanh(W_g h_t + b_g)
    M_t     = M_{t-1} + beta_t gamma_t^T
    output  = [h_t; r_t]

Nothing is erased and nothing is overwritten. From a memory of zeros all rows stay the same for ever: equal rows have
equal alpha and equal beta, so each gets the same share of gamma. Rows must start apart to end apart.

References:
    [B15] Bahdanau et al., Neural Machine Translation by Jointly Learning to Align and Translate, ICLR 2015, A.1.2.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from typing_extensions import Unpack

from metamann.errors import ConfigError, check_choice
from metamann.memory.controlled.additive_start import fresh_rows, start_read, start_write, start_written
from metamann.memory.controlled.controlled import check_code_width, item_projection, read_by_step, trace_steps
from metamann.memory.controlled.controllers import Controller, ControllerState
from metamann.memory.controlled.options import MatrixOptions, filled
from metamann.memory.interface import Memory, Trace, keep
from metamann.memory.scores import AdditiveScore, make_score


class AdditiveState(NamedTuple):
    """What one episode has written, and what the controller remembers.

    Attributes:
        memory: `batch x slots x width`.
        read_weights: `batch x 1 x slots`, alpha of the last step.
        hidden: `batch x hidden`, of the controller.
        cell: `batch x hidden`, of an LSTM controller; width 0 for others.
        previous_code: `batch x code_width`, the label of the last item, an input of the next step.
    """

    memory: Tensor
    read_weights: Tensor
    hidden: Tensor
    cell: Tensor
    previous_code: Tensor


class AdditiveMemory(Memory[AdditiveState]):
    """Attention, controller, additive write, batched over episodes.

    Args:
        features: width of the features.
        code_width: width of the label codes; one-hot codes of fewer classes are padded to it.
        score: of the read: `dot`, `additive` (slower), `multiplicative` or `cosine`.
        strength: learned factor of that score at the start of training; None is the bare formula.
        query: the query q_t: `input`, the item of the step itself, as a tagger does with the encoder
            state of the token, projected to the width of a row for `dot` and `cosine` (`dot` is then the same as
            `multiplicative`); or `controller`, h_{t-1}, as it is.
        initial_memory: M_0, the same for every episode: `learned`; `random`, drawn when the memory is built and
            kept with its weights, so that an episode has one answer; or `zeros`, all rows alike for ever.
        write_gradient: `local`: beta takes h_t and M_{t-1} as given, so only v, W_h and W_m learn where to write;
            `full`: gradients pass through beta to all that came before. Where one pair goes decides where later
            ones go, and the full gradient of that chain grows with every step until it drowns the rest.
        shortcut: gamma_t = tanh(W_g h_t + b_g + W_x x_t + W_y y_t): the written vector sees the pair itself (after
            the output of the step is given) and queries start as W_x x_t. With it every weight starts from
            values that let an untrained network bind items to labels and recall them, see `additive_start.py`;
            without it gamma is the bare formula, and the controller must learn to carry each item for one step to bind
            it to its label.
        options: see `MatrixOptions`; a row is 128 wide.

    Raises:
        ConfigError: if an option has an unknown value, a number is out of its range, or options contradict each other.

    Examples:
        >>> memory, items = AdditiveMemory(features=3, code_width=2, slots=4, width=8, hidden=6), torch.rand(1, 5, 3)
        >>> state = memory.initial_state(batch=1, code_width=2, like=items)
        >>> reads, state = memory.scan(state, items, codes=torch.ones(1, 5, 2), mask=torch.ones(1, 5, dtype=torch.bool))
        >>> reads.shape, state.memory.shape
        (torch.Size([1, 5, 14]), torch.Size([1, 4, 8]))
    """

    def __init__(
        self,
        features: int,
        code_width: int,
        score: Literal["dot", "additive", "multiplicative", "cosine"] = "dot",
        strength: float | None = None,
        query: Literal["input", "controller"] = "input",
        initial_memory: Literal["learned", "random", "zeros"] = "learned",
        write_gradient: Literal["local", "full"] = "local",
        shortcut: bool = True,
        **options: Unpack[MatrixOptions],
    ) -> None:
        check_choice("memory.query", query, ("input", "controller"))
        check_choice("memory.initial_memory", initial_memory, ("learned", "random", "zeros"))
        check_choice("memory.write_gradient", write_gradient, ("local", "full"))
        filled_in = filled(MatrixOptions, options, width=128)
        item_width, hidden = filled_in["item_width"], filled_in["hidden"]
        slots, width = filled_in["slots"], filled_in["width"]
        if shortcut and query == "controller":
            raise ConfigError("memory.query=controller asks before the item is seen: set memory.shortcut=false.")
        if shortcut and width < 8:
            raise ConfigError(f"memory.shortcut needs rows of 8 columns, but memory.width is {width}; raise it.")
        super().__init__()
        self.item_width, self.code_width = item_width or features, code_width
        self.slots, self.width = slots, width
        self.read_width, self.controller_width = hidden + width, hidden
        self.query_from, self.write_gradient = query, write_gradient
        self.item = item_projection(features, item_width)
        self.controller = Controller(filled_in["controller"], self.item_width + code_width + width, hidden)

        projected = query == "input" and score in ("dot", "cosine")
        query_width = self.item_width if query == "input" else hidden
        self.query = nn.Linear(query_width, width, bias=False) if projected else nn.Identity()
        self.score = make_score(score, width if projected else query_width, width, strength)
        self.write_score = AdditiveScore(hidden, width)
        self.written = nn.Linear(hidden, width)
        self.shortcut = _Shortcut(self.item_width, code_width, width) if shortcut else None

        rows = fresh_rows(slots, width) if shortcut else torch.randn(slots, width)
        if initial_memory == "learned":
            self.rows = nn.Parameter(rows)
        else:
            self.register_buffer("rows", rows if initial_memory == "random" else torch.zeros_like(rows))
        if self.shortcut is not None:
            start_written(self.written, self.shortcut.item, self.shortcut.code)
            start_write(self.write_score)
            start_read(self.query, self.score, self.shortcut.item)

    @property
    def capacity(self) -> int:
        """Its slots."""
        return self.slots

    def initial_state(self, batch: int, code_width: int, like: Tensor) -> AdditiveState:
        """Initial memory, no item before the first.

        Raises:
            ConfigError: if the codes are wider than the memory was built for.
        """
        check_code_width(code_width, self.code_width)
        hidden, cell = self.controller.initial_state(batch, like)
        return AdditiveState(
            memory=self.rows.to(like).expand(batch, -1, -1),
            read_weights=like.new_zeros(batch, 1, self.slots),
            hidden=hidden,
            cell=cell,
            previous_code=like.new_zeros(batch, self.code_width),
        )

    def step(self, state: AdditiveState, features: Tensor, codes: Tensor, mask: Tensor) -> tuple[Tensor, AdditiveState]:
        """Read, move the controller, write; see the formulas on top."""
        check_code_width(codes.shape[-1], self.code_width)
        code = F.pad(codes, (0, self.code_width - codes.shape[-1]))
        item = self.item(features)

        query = self.query(item if self.query_from == "input" else state.hidden)
        read_weights = self.score(query.unsqueeze(1), state.memory).softmax(-1)
        read = (read_weights @ state.memory).squeeze(1)

        inputs = torch.cat([item, state.previous_code, read], -1)
        hidden, cell = self.controller(inputs, ControllerState(state.hidden, state.cell))

        write_query, rows = hidden.unsqueeze(1), state.memory
        if self.write_gradient == "local":
            write_query, rows = write_query.detach(), rows.detach()
        write_weights = self.write_score(write_query, rows).softmax(-1)
        written = self.written(hidden)
        if self.shortcut is not None:
            written = written + self.shortcut.item(item) + self.shortcut.code(code)
        memory = state.memory + write_weights.transpose(1, 2) @ written.tanh().unsqueeze(1)

        new = AdditiveState(memory, read_weights, hidden, cell, code)
        return torch.cat([hidden, read], -1), keep(mask, new, state)

    def read(self, state: AdditiveState, features: Tensor) -> Tensor:
        """One step for each query from the same state; what it would write is dropped."""
        return read_by_step(self, state, features, self.code_width)

    def trace(self, state: AdditiveState, features: Tensor, codes: Tensor, mask: Tensor) -> Trace:
        """Read weights over the slots."""
        return trace_steps(self, state, features, codes, mask)

    def code_readout(self) -> Tensor | None:
        """Transposed projection of label codes into rows: it decodes the labels that an untrained network reads."""
        if self.shortcut is None:
            return None
        return F.pad(self.shortcut.code.weight.detach().T, (self.controller.hidden, 0))


class _Shortcut(nn.Module):
    """Projections of an item and of its label code into the vector that is written."""

    def __init__(self, item_width: int, code_width: int, width: int) -> None:
        super().__init__()
        self.item = nn.Linear(item_width, width, bias=False)
        self.code = nn.Linear(code_width, width, bias=False)
