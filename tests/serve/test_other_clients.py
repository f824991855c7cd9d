"""Clients that are no Python library of ours to import: OpenAI's SDK for Node, lm-eval, Inspect and curl, unchanged."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from faulty_server import FaultyServer, faulty_server
from serve_process import installed, serve_process
from sums import PLAN, add

SDK, LM_EVAL = "openai@6.30.1", "lm-eval[api]==0.4.13"  # the last of the SDK's versions for Node 20
NODE = """\
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.argv[2], apiKey: "none", maxRetries: 0 });
const question = { messages: [{ role: "user", content: "what is 12 + 30?" }] };
const whole = await client.chat.completions.create({ model: "guided/solver", ...question });
const streamed = [];
let usage = null;
const stream = await client.chat.completions.create({
  model: "guided/solver", stream: true, stream_options: { include_usage: true },
  messages: [{ role: "user", content: "what is 20 + 22?" }],
});
for await (const chunk of stream) {
  streamed.push(...chunk.choices.map((choice) => choice.delta));
  usage = chunk.usage ?? usage;
}
const helper = await client.chat.completions.stream({ model: "standard/solver", ...question }).finalContent();
let refused = null;
try {
  await client.chat.completions.create({ model: "guided/nobody", ...question });
} catch (error) {
  refused = [error instanceof OpenAI.NotFoundError, error.code];
}
const models = [];
for await (const model of client.models.list()) models.push(model.id);
console.log(JSON.stringify({ whole, streamed, usage, helper, refused, models }));
"""
TASK = """\
task: sums
dataset_path: json
dataset_kwargs: {data_files: {test: DATA}}
test_split: test
output_type: generate_until
doc_to_text: "what is {{a}} + {{b}}?"
doc_to_target: "{{a + b}}"
generation_kwargs: {until: ["\\n\\n"], max_gen_toks: 64, temperature: 0}
filter_list:
  - name: last-number
    filter: [{function: regex, regex_pattern: "(\\\\d+)\\\\.?$"}, {function: take_first}]
metric_list: [{metric: exact_match}]
"""
INSPECT = """\
from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.scorer import includes

samples = [Sample(f"what is {a} + 40?", target=str(a + 40)) for a in range(8)]
(log,) = eval(Task(samples, scorer=includes()), model="openai-api/sg/guided/solver", display="none")
assert log.status == "success", log.error
message = log.samples[0].output.message
print(log.results.scores[0].metrics["accuracy"].value, len(message.content), log.samples[0].output.usage.total_tokens)
"""


@pytest.fixture(scope="module")
def upstream() -> Iterator[FaultyServer]:
    with faulty_server(by=add) as server:
        yield server


@pytest.fixture(scope="module")
def base_url(upstream: FaultyServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serve_process(upstream.base_url, tmp_path_factory.mktemp("serve")) as url:
        yield url


def ran(command: list[str], cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=240, env={**os.environ, **environment}
    )
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("npm"), reason="needs Node 20 with npm: apt-get install nodejs npm")
def test_openais_sdk_for_node(base_url: str, tmp_path: Path) -> None:
    sdk = installed(f"node-{SDK}", ["npm", "install", "--no-audit", "--no-fund", "--prefix", "{}", SDK])
    (script := sdk / "ask.mjs").write_text(NODE)
    said = json.loads(ran(["node", str(script), base_url], tmp_path))
    message = said["whole"]["choices"][0]["message"]
    assert message["content"] == "I add the two. Answer: 42"
    assert message["reasoning_content"] == PLAN
    assert said["whole"]["usage"]["total_tokens"] == said["usage"]["total_tokens"] == 110
    assert "".join(delta.get("content", "") for delta in said["streamed"]).strip() == message["content"]
    assert "".join(delta.get("reasoning_content", "") for delta in said["streamed"]) == PLAN
    assert said["helper"].strip() == message["content"]
    assert said["refused"] == [True, "model_not_found"]
    assert "guided/solver" in said["models"]


@pytest.mark.slow
def test_lm_eval(base_url: str, tmp_path: Path) -> None:
    folder = installed(
        LM_EVAL,
        [sys.executable, "-m", "venv", "{}/venv"],
        ["{}/venv/bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", LM_EVAL],
    )
    data = tmp_path / "sums.jsonl"
    data.write_text("".join(json.dumps({"a": a, "b": 30}) + "\n" for a in range(8)))
    (tmp_path / "sums.yaml").write_text(TASK.replace("DATA", str(data)))
    model = f"model=guided/solver,base_url={base_url}/chat/completions,num_concurrent=4,tokenizer_backend=none"
    command = [str(folder / "venv" / "bin" / "lm_eval"), "--model", "local-chat-completions", "--model_args", model]
    command += ["--include_path", str(tmp_path), "--tasks", "sums", "--apply_chat_template", "--output_path", "out"]
    ran(command, tmp_path, HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path / "hf"), OPENAI_API_KEY="none")
    (result,) = (tmp_path / "out").rglob("results_*.json")
    assert json.loads(result.read_text())["results"]["sums"]["exact_match,last-number"] == 1.0


@pytest.mark.slow
def test_inspects_provider_for_such_servers(base_url: str, tmp_path: Path) -> None:
    (tmp_path / "ask.py").write_text(INSPECT)
    said = ran([sys.executable, "ask.py"], tmp_path, SG_API_KEY="none", SG_BASE_URL=base_url)
    accuracy, parts, tokens = said.split()
    assert (float(accuracy), int(tokens)) == (1.0, 110)
    assert int(parts) == 2  # the guidance as reasoning, then the text


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl: apt-get install curl")
def test_curl_streams(base_url: str, tmp_path: Path) -> None:
    asked = {"model": "guided/solver", "stream": True, "messages": [{"role": "user", "content": "what is 12 + 30?"}]}
    command = ["curl", "-sN", f"{base_url}/chat/completions", "-H", "content-type: application/json"]
    said = ran([*command, "-d", json.dumps(asked)], tmp_path)
    events = [line.removeprefix("data: ") for line in said.splitlines() if line]
    assert events.pop() == "[DONE]"
    deltas = [choice["delta"] for event in events for choice in json.loads(event)["choices"]]
    assert "".join(delta.get("content", "") for delta in deltas).strip() == "I add the two. Answer: 42"
    assert sum("content" in delta for delta in deltas) > 3  # as it was written
