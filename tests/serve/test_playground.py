"""The page at `/` as it is sent: its policy, and what it tells whoever has no key."""

import base64
import hashlib
import json
import re
from pathlib import Path

import httpx
from serving import serving

from sg_agent.serve.keys import new_key


def keys_file(folder: Path) -> Path:
    (folder / "keys.yaml").write_text(json.dumps([{"name": "alice", "sha256": new_key()[1]}]))
    return folder / "keys.yaml"


def test_the_page_needs_no_key_and_admits_only_its_own_script(tmp_path: Path) -> None:
    with serving(keys=keys_file(tmp_path)) as address:
        reply, head = httpx.get(address), httpx.head(address)
    assert (reply.status_code, head.status_code) == (200, 200)
    policy = dict(part.split(" ", 1) for part in reply.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert policy["connect-src"] == "'self'"
    for tag in ("script", "style"):
        (text,) = re.findall(f"<{tag}>(.*?)</{tag}>", reply.text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert policy[f"{tag}-src"] == f"'sha256-{digest}'"
    assert "://" not in reply.text
    assert len(reply.content) < 40_000


def test_a_page_without_a_key_names_no_model_where_keys_are_wanted(tmp_path: Path) -> None:
    spec = "openai:private-model@http://127.0.0.1:9/v1"
    with serving(guide=spec, solvers={"private-name": spec}) as address:
        assert spec in httpx.get(address).text
    with serving(guide=spec, solvers={"private-name": spec}, keys=keys_file(tmp_path)) as address:
        page = httpx.get(address).text
    assert "private" not in page
