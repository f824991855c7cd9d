"""Multi-hop RAG: a retriever follows names from card to card, and the guide says which of the facts lead to the answer.

    python examples/multi_hop_rag.py

The store is LangChain's, over a bag of words in place of an embedding model: any retriever of yours fits in.
"""

import random
import re
import zlib

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import InMemoryVectorStore
from langgraph.graph import START, StateGraph
from typing_extensions import TypedDict

from sg_agent import guided, standard
from sg_agent.graphs.state import PassageInput
from sg_agent.worlds.records import CARDS, KINDS, NAMES, Fact, card


class BagOfNames(Embeddings):
    """Counts names, each in a place of its own."""

    def embed_query(self, text: str) -> list[float]:
        vector = [0.0] * 1024
        for name in names_in(text):
            vector[zlib.crc32(name.encode()) % len(vector)] += 1.0
        return vector

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]


class Search(TypedDict, total=False):
    question: str
    task: str
    context: list[PassageInput]
    guidance: str | None
    answer: str | None


def names_in(text: str) -> list[str]:
    return [name for name in re.findall(r"\b[A-Z]\w+", text) if name != "Name"]


rng = random.Random(7)
cards = [card(rng, kind, Fact("", name, "")) for kind in KINDS for name in NAMES[kind]]
documents = [Document(card.text, metadata={"title": card.subject}) for card in cards]
retriever = InMemoryVectorStore.from_documents(documents, BagOfNames()).as_retriever(search_kwargs={"k": 1})


def retrieve(state: Search) -> Search:
    """The cards of the names in the question, then of the names on those cards, and so on."""
    found: dict[str, PassageInput] = {}
    names = names_in(state["question"])
    while names and len(found) < CARDS:
        if (name := names.pop(0)) not in found:
            (document,) = retriever.invoke(name)
            found[name] = {"title": document.metadata["title"], "text": document.page_content}
            names += names_in(document.page_content)
    return {"context": list(found.values()), "task": "multihop_qa"}


arms = {"standard": standard("embedded:solver"), "guided": guided("embedded:guide", "embedded:solver")}
for question in ("Name the herald of Kara.", "Name the steward of Holt.", "Name the squire of Potters."):
    for name, arm in arms.items():
        rag = StateGraph(Search)
        rag.add_node("retrieve", retrieve)
        rag.add_node("answer", arm.compile())  # reads `question`, `task` and `context`
        rag.add_edge(START, "retrieve")
        rag.add_edge("retrieve", "answer")
        output = rag.compile().invoke({"question": question})
        print(f"{question} {name}: {output['answer']}")
    print(*(passage["text"] for passage in output["context"]), "guidance:", output["guidance"], sep="\n", end="\n\n")

# prints: Name the squire of Potters. standard: Tomo
# prints: Name the squire of Potters. guided: Egon
# prints: 2. mayor Marsh Egon.
