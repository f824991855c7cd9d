"""An OpenAI-compatible server around the graphs: `sg-agent serve`. It needs the extra `serve`."""
