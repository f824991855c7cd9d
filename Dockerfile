# sg-agent serve. The container's port is reached by others, so keys are needed (docs/serve.md):
#   docker build -t sg-agent . && docker run -p 8080:8080 -v "$PWD/keys:/keys" -e OPENAI_API_KEY sg-agent \
#     --keys /keys/keys.yaml --solver openai:gpt-4.1-mini
FROM python:3.12-slim
WORKDIR /app
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY sg_agent sg_agent
RUN pip install --no-cache-dir --constraint constraints.txt ".[local,serve]" && useradd --uid 1000 sg-agent
USER sg-agent
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/healthz', timeout=2)"]
ENTRYPOINT ["sg-agent", "serve", "--host", "0.0.0.0", "--port", "8080"]
