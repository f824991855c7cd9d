"""The key/value columns of a batch whose rows come and go: left-padded, so that every row ends in the last column."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer


class GrowingLayer(DynamicLayer):  # type: ignore[no-untyped-call]  # transformers' __init_subclass__
    """Keys and values with spare columns: a step writes its own column, where DynamicLayer copies all of them."""

    spare = 64

    def __init__(self, keys: Tensor, values: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.lazy_initialization(keys, values)
        self.keys: Tensor = keys
        self.values: Tensor = values
        self._stores: tuple[Tensor, Tensor] | None = None
        self._seen: Tensor | None = None

    def update(
        self,
        key_states: Tensor,
        value_states: Tensor,
        *args: Any,  # noqa: ARG002 - the signature of transformers
        **kwargs: Any,  # noqa: ARG002 - the signature of transformers
    ) -> tuple[Tensor, Tensor]:
        """Appends columns; returns all of them."""
        width = self.keys.shape[-2]
        end = width + key_states.shape[-2]
        # Rows or columns were added or dropped since: the stores no longer hold what keys and values do.
        if self._stores is None or self.keys is not self._seen or end > self._stores[0].shape[-2]:
            more = end - width + self.spare
            self._stores = pad(self.keys, (0, 0, 0, more)), pad(self.values, (0, 0, 0, more))
        for store, new in zip(self._stores, (key_states, value_states), strict=True):
            store[:, :, width:end] = new
        self.keys, self.values = (store[:, :, :end] for store in self._stores)
        self._seen = self.keys
        return self.keys, self.values


class Columns:
    """The cache and its mask (rows, columns): 1 where a row has a token, 0 where it is padded."""

    def __init__(self, mask: Tensor, cache: DynamicCache) -> None:
        self.mask, self.cache = mask, cache
        self.layers: list[Any] = [
            GrowingLayer(layer.keys, layer.values) if type(layer) is DynamicLayer else layer  # type: ignore[arg-type]
            for layer in cache.layers
        ]
        cache.layers = self.layers

    @property
    def joinable(self) -> bool:
        """Whether rows can be appended: a recurrent state has no columns to align."""
        return all(type(layer) in (GrowingLayer, DynamicSlidingWindowLayer) for layer in self.layers)

    def keep(self, rows: list[int]) -> None:
        """Drops all other rows, and the columns that were only there for them."""
        index = torch.tensor(rows, device=self.mask.device)
        self.mask = self.mask[index]
        if self.joinable:
            self._align(self.mask.shape[1] - int(self.mask.any(0).int().argmax()))
        for layer in self.layers:
            layer.reorder_cache(index)

    def join(self, other: "Columns") -> None:
        """Appends the rows of `other`, which is used up."""
        width = max(self.mask.shape[1], other.mask.shape[1])
        for columns in (self, other):
            columns._align(width)
        for mine, theirs in zip(self.layers, other.layers, strict=True):
            mine.keys = torch.cat([mine.keys, theirs.keys])
            mine.values = torch.cat([mine.values, theirs.values])
        self.mask = torch.cat([self.mask, other.mask])

    def _align(self, width: int) -> None:
        """Adds columns on the left, or hides some: nothing is copied then."""
        self.mask = _widened(self.mask[..., None], width)[..., 0]
        for layer in self.layers:
            held = width
            if isinstance(layer, DynamicSlidingWindowLayer):
                held = min(width, layer.sliding_window - 1)
                layer.cumulative_length = width
            layer.keys, layer.values = _widened(layer.keys, held), _widened(layer.values, held)


def _widened(columns: Tensor, width: int) -> Tensor:
    """The last `width` of (..., columns, size), zeros on the left where there are fewer."""
    missing = width - columns.shape[-2]
    return pad(columns, (0, 0, missing, 0)) if missing > 0 else columns[..., -missing:, :]
