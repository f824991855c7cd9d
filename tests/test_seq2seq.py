"""Sequence-to-sequence models: loaded without a chat template, batched, and equal to transformers' own generate."""

from pathlib import Path

import pytest
from langchain_core.messages import HumanMessage, SystemMessage
from tiny_t5 import tiny_t5
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

from sg_agent.local import LocalChatModel

TEXTS = ["how many crates of lamps are there", "the guild of Kara holds the key", "1. Find the guild. 2. Find the key."]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_t5(tmp_path_factory.mktemp("t5"), TEXTS)


def expected(path: Path, text: str, *, most: int) -> str:
    tokenizer, model = AutoTokenizer.from_pretrained(path), AutoModelForSeq2SeqLM.from_pretrained(path)
    ids = model.generate(**tokenizer(text, return_tensors="pt"), max_new_tokens=most, do_sample=False, num_beams=1)
    return str(tokenizer.decode(ids[0], skip_special_tokens=True))


def test_a_batch_writes_what_transformers_generates_one_by_one(path: Path) -> None:
    model = LocalChatModel(model=str(path), max_tokens=12)
    replies = model.batch([[HumanMessage(text)] for text in TEXTS])
    assert [reply.text for reply in replies] == [expected(path, text, most=12) for text in TEXTS]
    assert model.forwards <= 3 * 12
    assert all(reply.usage_metadata and reply.usage_metadata["output_tokens"] <= 12 for reply in replies)


def test_the_model_reads_the_text_of_all_messages(path: Path) -> None:
    model = LocalChatModel(model=str(path), max_tokens=12)
    reply = model.invoke([SystemMessage("the guild"), HumanMessage("of Kara</s>")])
    assert reply.text == expected(path, "the guild\n\nof Kara", most=12)


def test_a_seed_makes_a_sampled_reply_reproducible(path: Path) -> None:
    model = LocalChatModel(model=str(path), max_tokens=12, temperature=1.0, seed=3)
    alone = model.invoke(TEXTS[0]).text
    assert model.batch([TEXTS[0], TEXTS[1]])[0].text == alone
