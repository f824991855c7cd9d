"""What the text of a question says of how hard it is: lengths, numbers, the words that operations hide behind.

No vocabulary and no model, microseconds a question. The lists are of arithmetic word problems and of questions over
passages; `words` knows nothing in advance and learns a domain's own words by their hashes.
"""

import math
import re
from collections.abc import Mapping
from itertools import pairwise
from zlib import crc32

from sg_agent.gate.head import WORD
from sg_agent.rows import Row

BUCKETS = 2048
LONGEST = 20_000

NUMBER = re.compile(r"\d[\d,]{0,20}(?:\.\d{1,10})?")
_WORD = re.compile(r"[^\W\d_]+(?:'[a-z]+)?")
_SENTENCE = re.compile(r"(?<=[.?!])\s+")
_NAME = re.compile(r"(?<=[a-z,] )[A-Z][a-z]+")

MARKERS: Mapping[str, re.Pattern[str]] = {
    name: re.compile(pattern, re.IGNORECASE)
    for name, pattern in {
        "percent": r"%|\bpercent",
        "fraction": r"\b\d+/\d+\b|\b(?:half|third|quarter|fifth|fourths?)\b",
        "multiple": r"\b(?:twice|double|triple|times|thrice)\b",
        "number_word": r"\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|fifty"
        r"|hundred|thousand|dozen|couple)\b",
        "rate": r"\b(?:per|each|every|an? (?:day|week|hour|month)|daily|weekly)\b",
        "comparison": r"\b(?:more|less|fewer|older|younger|longer|shorter|taller|than|as (?:many|much))\b",
        "difference": r"\bhow (?:many|much) more\b",
        "remainder": r"\b(?:left|remain\w*|leftover|the (?:rest|others?))\b",
        "condition": r"\b(?:if|when|unless|until|except|instead|only|but|however|otherwise|would)\b",
        "sequence": r"\b(?:then|after|before|first|second|next|later|finally|last)\b",
        "negation": r"\b(?:not?|without|never)\b|n't\b",
        "money": r"\$",
        "cents": r"\$\d+\.\d|\bcents?\b",
        "trade": r"\b(?:profit|discount|tax|interest|tip|sale|cost|price|change|save[sd]?)\b",
        "time": r"\b(?:seconds?|minutes?|hours?|days?|weeks?|months?|years?)\b",
        "clock": r"\b\d{1,2}(?::\d\d)?\s?(?:am|pm|a\.m|p\.m)\b",
        "age": r"\b(?:age|old|older|younger)\b",
        "speed": r"\b(?:mph|miles|speed|km|kilometers|feet)\b",
        "unit": r"\b(?:ounces?|pounds?|gallons?|inches|yards?|cups?|lit(?:er|re)s?|grams?|kg)\b",
        "summary": r"\b(?:average|mean|ratio|total|altogether|combined|sum|difference)\b",
        "pronoun": r"\b(?:he|she|they|it|his|her|their)\b",
        "how_many": r"\bhow many\b",
        "how_much": r"\bhow much\b",
        "what": r"\bwhat\b",
        "who": r"\b(?:who|whose|whom|which)\b",
        "both": r"\b(?:both|same|either|also)\b",
    }.items()
}


def question_features(row: Row) -> dict[str, float]:
    """Numbers of a size that a linear model can use, counts as log(1 + n)."""
    text = row.question[:LONGEST]
    words, numbers = _WORD.findall(text), numbers_in(text)
    sentences = [sentence for sentence in _SENTENCE.split(text) if sentence.strip()] or [text]
    last, many = sentences[-1], max(1, len(words))
    return {
        "characters": math.log1p(len(text)),
        "words": math.log1p(len(words)),
        "sentences": math.log1p(len(sentences)),
        "longest_sentence": math.log1p(max(len(sentence.split()) for sentence in sentences)),
        "last_sentence": math.log1p(len(last.split())),
        "mean_sentence": len(words) / len(sentences) / 10,
        "word_length": sum(map(len, words)) / many,
        "different_words": len({word.lower() for word in words}) / many,
        "names": math.log1p(len(set(_NAME.findall(text)))),
        "commas": math.log1p(text.count(",")),
        "question_marks": float(text.count("?")),
        "numbers": math.log1p(len(numbers)),
        "different_numbers": math.log1p(len(set(numbers))),
        "number_density": 10 * len(numbers) / many,
        "largest_number": math.log10(1 + max(numbers, default=0)),
        "large_numbers": math.log1p(sum(number >= 100 for number in numbers)),
        "decimals": math.log1p(sum(not number.is_integer() for number in numbers)),
        "asked_numbers": math.log1p(len(NUMBER.findall(last))),
        "asked_if": float(bool(re.search(r"\bif\b", last, re.IGNORECASE))),
        "choices": float(len(row.choices or ())),
        "passages": math.log1p(len(row.context or ())),
        "passage_characters": math.log1p(sum(len(passage.text) for passage in row.context or ())),
        **{name: math.log1p(len(marker.findall(text))) for name, marker in MARKERS.items()},
    }


def word_features(row: Row) -> dict[str, float]:
    """Words and pairs of words hashed into BUCKETS, of length 1 in all; only those that are there."""
    return hashed_words(row.question, WORD)


def hashed_words(text: str, prefix: str) -> dict[str, float]:
    """Of any text, named by `prefix` and bucket."""
    words = words_in(text[:LONGEST])
    pairs = [f"{first} {second}" for first, second in pairwise(words)]
    found = {f"{prefix}{crc32(text.encode()) % BUCKETS}" for text in (*words, *pairs)}
    return dict.fromkeys(sorted(found), len(found) ** -0.5 if found else 0.0)


def words_in(text: str) -> list[str]:
    """Every word of a text, in small letters."""
    return [word.lower() for word in _WORD.findall(text)]


def numbers_in(text: str) -> list[float]:
    """Every number of a text, unsigned."""
    return [float(number.replace(",", "")) for number in NUMBER.findall(text)]
