"""A tiny Llama with random weights and a byte-level tokenizer trained here: as real to the loader as any model."""

import warnings
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

WINDOW = 256
TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
SPECIALS = ["<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]
TEXTS = ["hello, how are you today?", "a crate holds twelve cans", "who sold the red boat to Mara in the harbour?"]


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=SPECIALS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    fast = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, pad_token="<|pad|>", eos_token="<|end|>"
    )
    fast.chat_template = TEMPLATE
    return fast


def tiny_model(path: Path, *, hidden: int = 32, seed: int = 0, window: int = WINDOW) -> Path:
    """Saves model and tokenizer into `path`."""
    tokenizer = tiny_tokenizer()
    torch.manual_seed(seed)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=hidden,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            intermediate_size=64,
            max_position_embeddings=window,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            # Sharper than the default, so that greedy choices are no ties that rounding decides.
            initializer_range=0.5,
        )
    )
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


def tiny_adapter(base: Path, path: Path, *, target: str = "q_proj", seed: int = 1) -> Path:
    """Saves a LoRA adapter for the model in `base` into `path`, its weights random so that it changes every reply."""
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(seed)
    model = LlamaForCausalLM.from_pretrained(base)
    with warnings.catch_warnings():
        # PEFT asks transformers for an attribute under its old name.
        warnings.simplefilter("ignore", FutureWarning)
        tuned = get_peft_model(model, LoraConfig(r=4, lora_alpha=64, target_modules=[target], init_lora_weights=False))
    tuned.save_pretrained(str(path))
    return path
