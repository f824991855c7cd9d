"""A tiny T5 with random weights and a word-level tokenizer made here: a sequence-to-sequence model like any other."""

from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

SPECIALS = ["<pad>", "</s>", "<unk>"]


def t5_tokenizer(texts: Sequence[str]) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=400, special_tokens=SPECIALS, show_progress=False)
    )
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )


def tiny_t5(path: Path, texts: Sequence[str], *, seed: int = 0) -> Path:
    """Saves model and tokenizer into `path`; the tokenizer knows the words of `texts`."""
    tokenizer = t5_tokenizer(texts)
    torch.manual_seed(seed)
    model = T5ForConditionalGeneration(
        T5Config(
            vocab_size=len(tokenizer),
            d_model=32,
            d_kv=8,
            d_ff=64,
            num_layers=2,
            num_heads=4,
            dropout_rate=0.0,
            initializer_factor=1.0,
            pad_token_id=0,
            eos_token_id=1,
        )
    )
    model.config.decoder_start_token_id = model.generation_config.decoder_start_token_id = 0
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path
