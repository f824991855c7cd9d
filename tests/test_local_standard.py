"""LangChain's own tests for chat models, unit and integration, against the local chat model with tiny weights."""

from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests
from tiny import tiny_model

from sg_agent.local import LocalChatModel


@pytest.fixture(scope="session")
def tiny_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("standard"))


class Declared:
    """What the model is and what it does not do: text only, no tools, no schemas, one model per object."""

    path: Path

    @pytest.fixture(autouse=True)
    def weights(self, tiny_path: Path) -> None:
        self.path = tiny_path

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return LocalChatModel

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": str(self.path)}

    @property
    def has_tool_calling(self) -> bool:
        return False

    @property
    def has_tool_choice(self) -> bool:
        return False

    @property
    def has_structured_output(self) -> bool:
        return False

    @property
    def supports_model_override(self) -> bool:
        return False


class TestLocalUnit(Declared, ChatModelUnitTests):
    pass


class TestLocalIntegration(Declared, ChatModelIntegrationTests):
    pass
