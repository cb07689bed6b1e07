"""A BERT sentence encoder: token ids and a mask in, one unit vector per sentence out."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from headrace.errors import ToolMissingError, UsageError


class SentenceEncoder(nn.Module):
    """BERT, the mean of its token states under the mask, normalized to length 1.

    Masks, position ids and token types are given to BERT explicitly: what it would make of them
    itself does not lower to linalg.
    """

    def __init__(self, bert: nn.Module) -> None:
        super().__init__()
        self.bert = bert

    @classmethod
    def from_folder(cls, folder: str | Path) -> SentenceEncoder:
        """Load config.json and model.safetensors of a Hugging Face BERT; never uses a network."""
        folder = Path(folder)
        for name in ("config.json", "model.safetensors"):
            if not (folder / name).is_file():
                raise UsageError(f"sentence encoder: {folder} has no {name}")
        transformers = _quiet_transformers()
        bert = transformers.BertModel.from_pretrained(
            str(folder), add_pooling_layer=False, local_files_only=True
        )
        return cls(bert.to(torch.float32)).eval()

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """ids, mask: int64 [B, T], mask 1 for tokens and 0 for padding -> f32 [B, width]."""
        batch, length = ids.shape
        hidden_out = (1.0 - mask[:, None, None, :].to(torch.float32)) * -1e9
        states = self.bert(
            input_ids=ids,
            attention_mask=hidden_out.expand(batch, 1, length, length),
            token_type_ids=torch.zeros_like(ids),
            position_ids=torch.arange(length)[None],
        ).last_hidden_state
        weight = mask[:, :, None].to(states.dtype)
        mean = (states * weight).sum(1) / weight.sum(1).clamp(min=1.0)
        return nn.functional.normalize(mean, dim=-1)


class SentenceTokenizer:
    """Turns sentences into ids and masks of one fixed length."""

    def __init__(self, folder: str | Path, length: int) -> None:
        try:
            from tokenizers import Tokenizer
        except ImportError as error:
            raise ToolMissingError(
                "sentence encoder: the Python package tokenizers is not installed"
            ) from error
        self.length = length
        self._tokenizer = Tokenizer.from_file(str(Path(folder) / "tokenizer.json"))
        self._tokenizer.enable_truncation(length)
        self._tokenizer.enable_padding(length=length)

    def __call__(self, sentences: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """ids and mask, int64 [len(sentences), length]; longer sentences are cut."""
        encoded = self._tokenizer.encode_batch(list(sentences))
        ids = torch.tensor([entry.ids for entry in encoded])
        mask = torch.tensor([entry.attention_mask for entry in encoded])
        return ids, mask


def _quiet_transformers():  # type: ignore[no-untyped-def]
    """The transformers package, without its progress bars and reports about unused weights."""
    try:
        import transformers
    except ImportError as error:
        raise ToolMissingError(
            "sentence encoder: the Python package transformers is not installed"
        ) from error
    # Where torchao is installed, transformers imports it, and it lists GPU libraries that it lacks.
    for logger in ("torchao", "torch.utils._pytree"):
        logging.getLogger(logger).setLevel(logging.ERROR)
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    return transformers
