"""The records engine: who-is-the-mentor-of-the-rival questions over index cards, with the facts that answer them.

A card is a passage about one person with two facts, each three words long ("Kara mentor Lora."). A question follows a
path of 1-3 relations from a person; every other card is a distractor. `general` asks by the relations on the cards;
`archive` also asks by offices whose path only its guide knows.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from sg_agent.worlds.stock import number_lines

NAMES = (
    "Ada", "Ben", "Cleo", "Dina", "Egon", "Fay", "Gus", "Hana", "Ivo", "Jana", "Kara", "Lora", "Mila", "Nils", "Olga",
    "Pia", "Quin", "Rosa", "Sven", "Tomo", "Ugo", "Vera", "Walt", "Yuri",
)  # fmt: skip
RELATIONS = ("mentor", "rival", "cousin", "friend")
CARDS = 4


@dataclass(frozen=True)
class Fact:
    person: str
    relation: str
    value: str

    def __str__(self) -> str:
        return f"{self.person} {self.relation} {self.value}."


@dataclass(frozen=True)
class Card:
    """One passage: the facts about one person."""

    person: str
    facts: tuple[Fact, ...]

    @property
    def text(self) -> str:
        return " ".join(map(str, self.facts))


@dataclass(frozen=True)
class Record:
    """A records question: the cards in the order shown, the words asked by, and the facts on the path to the answer."""

    cards: tuple[Card, ...]
    asked: tuple[str, ...]
    path: tuple[Fact, ...]

    @property
    def question(self) -> str:
        """Outermost word first: "Who is the mentor of the rival of Kara?"."""
        return "Who is " + " of ".join(f"the {word}" for word in reversed(self.asked)) + f" of {self.path[0].person}?"

    @property
    def rationale(self) -> str:
        """The gold guidance: the facts on the path, quoted in order."""
        return number_lines([str(fact) for fact in self.path])

    @property
    def answer(self) -> str:
        return self.path[-1].value

    @property
    def facts(self) -> list[Fact]:
        return [fact for card in self.cards for fact in card.facts]


def record(rng: random.Random, relations: Sequence[str], asked: Sequence[str]) -> Record:
    """Cards with one path along `relations` (no person twice), asked for by the words `asked`."""
    people = rng.sample(NAMES, len(relations) + 1)
    others = rng.sample([name for name in NAMES if name not in people], CARDS - len(relations))
    path = tuple(Fact(a, relation, b) for a, relation, b in zip(people, relations, people[1:], strict=False))
    cards = [_card(rng, fact.person, fact) for fact in path] + [_card(rng, person, None) for person in others]
    rng.shuffle(cards)
    return Record(tuple(cards), tuple(asked), path)


def _card(rng: random.Random, person: str, known: Fact | None) -> Card:
    kinds = rng.sample([kind for kind in RELATIONS if not known or kind != known.relation], 1 if known else 2)
    values = rng.sample([name for name in NAMES if name != person], len(kinds))
    facts = [Fact(person, kind, value) for kind, value in zip(kinds, values, strict=True)] + ([known] if known else [])
    rng.shuffle(facts)
    return Card(person, tuple(facts))


def general_record(rng: random.Random, *, hops: Sequence[int] = (1, 2, 2, 3, 3)) -> Record:
    """A question by the relations on the cards, its number of hops drawn from `hops`."""
    relations = [rng.choice(RELATIONS) for _ in range(rng.choice(hops))]
    return record(rng, relations, relations)
