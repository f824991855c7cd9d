"""What a chat completions request may hold. Parameters that are not named here go to the solver as they are."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from sg_agent.rows import Kind, Passage, Task

Name = Annotated[str, StringConstraints(min_length=1, max_length=300)]


class Guiding(BaseModel):
    """The request's own field `sg_agent`: the arm and what the graph takes beside the messages."""

    model_config = ConfigDict(strict=True, extra="forbid")

    arm: str | None = None
    attempts: int | None = Field(default=None, ge=1)
    task: Task | None = None
    choices: list[str] | None = None
    context: list[Passage] | None = None
    kind: Kind | None = None
    given_guidance: str | None = None
    guide_temperature: float | None = Field(default=None, ge=0, le=2)
    guide_max_tokens: int | None = Field(default=None, ge=1)


class Function(BaseModel):
    model_config = ConfigDict(strict=True)

    name: str
    arguments: str


class ToolCall(BaseModel):
    model_config = ConfigDict(strict=True)

    id: str
    type: Literal["function"] = "function"
    function: Function


class Message(BaseModel):
    """A turn. What it holds beside these, such as reasoning_content of an earlier reply, is not for the solver."""

    model_config = ConfigDict(strict=True)

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[dict[str, Any]] | None = None
    name: str | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None


class StreamOptions(BaseModel):
    model_config = ConfigDict(strict=True)

    include_usage: bool = False


class ChatRequest(BaseModel):
    """The body of POST /v1/chat/completions."""

    model_config = ConfigDict(strict=True, extra="allow")

    model: Name
    messages: list[Message] = Field(min_length=1)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: int | None = Field(default=None, ge=1)
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    seed: int | None = None
    stop: str | list[str] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    response_format: dict[str, Any] | None = None
    sg_agent: Guiding = Field(default_factory=Guiding)
