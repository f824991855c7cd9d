"""The FastAPI application: endpoints, a page, probes, metrics, and a way out that finishes what is in flight."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib import metadata
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.exceptions import HTTPException

from sg_agent.garbage import few_collections
from sg_agent.serve import chat_completions, responses
from sg_agent.serve.config import ServeConfig
from sg_agent.serve.dialect import Dialect
from sg_agent.serve.draining import draining_on_signals
from sg_agent.serve.errors import ApiError
from sg_agent.serve.exchange import Exchange
from sg_agent.serve.feedback import FeedbackRequest, feedback
from sg_agent.serve.own_site import OwnSite
from sg_agent.serve.playground import playground
from sg_agent.serve.responses import ResponsesRequest
from sg_agent.serve.schemas import ChatRequest
from sg_agent.serve.service import Service

SCHEMA = "#/components/schemas/{model}"


def create_app(config: ServeConfig) -> FastAPI:
    """The application over the models of `config`. Raises ModelError or MissingExtra before it serves anything."""
    service = Service(config)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with few_collections(), draining_on_signals(service.places, config.grace_s):
            yield
        await service.close()

    # FastAPI's pages of the API load their scripts from elsewhere
    app = FastAPI(
        title="sg-agent", version=metadata.version("sg-agent"), docs_url=None, redoc_url=None, lifespan=lifespan
    )
    if service.admission is None:
        app.add_middleware(OwnSite)
    _add_dialect(app, service, "/v1/chat/completions", chat_completions, ChatRequest)
    _add_dialect(app, service, "/v1/responses", responses, ResponsesRequest)
    _add_feedback(app, service)
    _add_models(app, service)
    _add_probes(app, service)
    app.add_route("/", playground(config))
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(ApiError, _api_error)
    _describe(app.openapi(), ChatRequest, ResponsesRequest, FeedbackRequest)
    return app


def _add_dialect(app: FastAPI, service: Service, path: str, dialect: Dialect, body: type[BaseModel]) -> None:
    """The body is read by hand: FastAPI would read it whole, of any size, before anything could be refused."""

    async def endpoint(request: Request) -> Response:
        return await Exchange(service, request, dialect).respond()

    _add_post(app, path, endpoint, body)


def _add_feedback(app: FastAPI, service: Service) -> None:
    async def endpoint(request: Request) -> Response:
        return await feedback(service, request)

    _add_post(app, "/v1/feedback", endpoint, FeedbackRequest)


def _add_post(
    app: FastAPI, path: str, endpoint: Callable[[Request], Awaitable[Response]], body: type[BaseModel]
) -> None:
    schema = {"$ref": SCHEMA.format(model=body.__name__)}
    told = {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
    app.add_api_route(path, endpoint, methods=["POST"], response_model=None, openapi_extra=told)


def _describe(page: dict[str, Any], *bodies: type[BaseModel]) -> None:
    """Add the bodies that are read by hand to the OpenAPI page, which FastAPI keeps."""
    _, found = models_json_schema([(body, "validation") for body in bodies], ref_template=SCHEMA)
    page.setdefault("components", {}).setdefault("schemas", {}).update(found["$defs"])


def _add_models(app: FastAPI, service: Service) -> None:
    def told(name: str) -> dict[str, Any]:
        return {"id": name, "object": "model", "created": 0, "owned_by": "sg-agent"}

    @app.get("/v1/models", dependencies=[_known(service)])
    async def models() -> dict[str, Any]:
        return {"object": "list", "data": [told(name) for name in service.models.names]}

    @app.get("/v1/models/{name:path}", dependencies=[_known(service)])
    async def model(name: str) -> dict[str, Any]:
        service.models.find(name, None, None)
        return told(name)


def _add_probes(app: FastAPI, service: Service) -> None:
    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz")
    async def readyz(response: Response) -> dict[str, str]:
        response.status_code = 503 if service.places.draining else 200
        return {"status": "stopping" if service.places.draining else "ready"}

    @app.get("/metrics", response_class=Response, dependencies=[_known(service)])
    async def metrics() -> Response:
        return Response(service.metrics.page(), media_type=CONTENT_TYPE_LATEST)


def _known(service: Service) -> Any:
    """What asks for a key, where the server has keys."""

    async def check(request: Request) -> None:
        if service.admission:
            service.admission.known(request.headers.get("authorization"))

    return Depends(check)


async def _api_error(request: Request, error: Exception) -> Response:  # noqa: ARG001 - FastAPI's signature
    assert isinstance(error, ApiError)
    return JSONResponse(error.body, error.status, error.headers)


async def _http_error(request: Request, error: Exception) -> Response:
    """What the router refuses: a path or method that there is not."""
    assert isinstance(error, HTTPException)
    message = f"{request.method} {request.url.path}: {error.detail}; see /openapi.json for what there is"
    refused = ApiError(error.status_code, message, "not_found" if error.status_code == 404 else "method_not_allowed")
    return JSONResponse(refused.body, refused.status, dict(error.headers or {}))
