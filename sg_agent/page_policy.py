"""The Content-Security-Policy of our pages: one style and one script, by their hashes, and nothing else."""

import hashlib
from base64 import b64encode


def policy(style: str, script: str | None = None, *, images: bool = False, own_server: bool = False) -> str:
    """Admits one style, one script and, if asked, images within the page, or requests to the server it came from."""
    admitted = [f"style-src {_digest(style)}"]
    admitted += [f"script-src {_digest(script)}"] if script is not None else []
    admitted += ["img-src data:"] if images else []
    admitted += ["connect-src 'self'"] if own_server else []
    return f"default-src 'none'; {'; '.join(admitted)}; base-uri 'none'; form-action 'none'"


def _digest(text: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
