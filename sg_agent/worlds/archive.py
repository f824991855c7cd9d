"""The `archive` world: records asked for by office (LM-Guided CoT's shape, guidance is a rationale).

An office is a path of relations that no card spells out: the herald of Kara is her mentor's rival. Whoever has not
learned the offices cannot know which cards to follow.
"""

import random

from sg_agent.worlds.records import RELATIONS, Record, record

OFFICES = {
    "herald": ("mentor", "rival"),
    "warden": ("rival", "friend"),
    "keeper": ("cousin", "mentor"),
    "envoy": ("friend", "cousin"),
    "squire": ("cousin", "rival"),
    "steward": ("friend", "mentor"),
}


def problem(rng: random.Random) -> Record:
    """An archive question: an office, alone (2 hops) or of somebody's relation or the other way round (3 hops)."""
    office = rng.choice(list(OFFICES))
    match rng.choice(("alone", "before", "after")):
        case "alone":
            asked: tuple[str, ...] = (office,)
        case "before":
            asked = (rng.choice(RELATIONS), office)
        case _:
            asked = (office, rng.choice(RELATIONS))
    relations = [relation for word in asked for relation in OFFICES.get(word, (word,))]
    return record(rng, relations, asked)
