"""`--trace`: OpenTelemetry spans of a command, sent where the standard OTEL_* variables say."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sg_agent.errors import ConfigError, MissingExtra

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")


@contextmanager
def spans(wanted: bool) -> Iterator[None]:
    """Trace what runs within if `wanted`, and send what is left at the end.

    Raises ConfigError or MissingExtra before anything runs. A collector that is down is a warning, and no more.
    """
    if not wanted:
        yield
        return
    provider = _provider()
    from sg_agent.tracing import OtelTracer, traced

    try:
        with traced(OtelTracer(provider)):
            yield
    finally:
        provider.shutdown()


def _provider() -> "TracerProvider":
    if not any(os.environ.get(name) for name in ENDPOINTS):
        raise ConfigError("--trace needs a collector: OTEL_EXPORTER_OTLP_ENDPOINT, e.g. http://localhost:4318")
    protocol = next((os.environ[name] for name in PROTOCOLS if os.environ.get(name)), "http/protobuf")
    if protocol != "http/protobuf":
        raise ConfigError(f"--trace sends OTLP as http/protobuf, not as {protocol!r}: unset {' and '.join(PROTOCOLS)}")
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise MissingExtra("--trace", "otel") from error
    resource = Resource.create({"service.name": "sg-agent"}).merge(OTELResourceDetector().detect())  # OTEL_SERVICE_NAME
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider
