"""
The TypeScript SDK against the fake Messages API, where node and the package are: ``make typescript`` installs it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

MODULES = Path(__file__).parents[2] / ".node" / "node_modules"

PROGRAM = """
const { Anthropic } = require("@anthropic-ai/sdk");
const client = new Anthropic({ baseURL: process.argv[2], apiKey: "k", maxRetries: 2 });
const asked = { model: "claude-sonnet-5", max_tokens: 100, messages: [{ role: "user", content: "weather" }] };
(async () => {
  const whole = await client.messages.create(asked);
  const stream = client.messages.stream(asked);
  let deltas = 0;
  stream.on("text", () => deltas++);
  const streamed = await stream.finalMessage();
  const counted = await client.messages.countTokens({ model: asked.model, messages: asked.messages });
  let refused = "";
  try { await client.messages.create({ ...asked, model: "gpt-9" }); }
  catch (error) { refused = error.constructor.name; }
  console.log(JSON.stringify({ whole, streamed, deltas, counted, refused }));
})();
"""


def node_with_sdk():
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not on PATH")
    if not (MODULES / "@anthropic-ai" / "sdk" / "package.json").is_file():
        pytest.skip("@anthropic-ai/sdk is not in .node; make typescript installs it")
    return node


def test_it_asks_streams_counts_retries_and_is_refused(fake_service, tmp_path):
    node = node_with_sdk()
    service = fake_service("anthropic")
    service.on_prompt("weather").error("overloaded", times=1, headers={"retry-after-ms": "1"}).text("It rains.")
    (tmp_path / "program.cjs").write_text(PROGRAM)

    environment = {**os.environ, "NODE_PATH": str(MODULES)}
    done = subprocess.run(
        [node, tmp_path / "program.cjs", service.url], env=environment, capture_output=True, text=True, timeout=50
    )

    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["whole"]["content"][0]["text"] == said["streamed"]["content"][0]["text"] == "It rains."
    assert said["deltas"] == said["whole"]["usage"]["output_tokens"] == said["streamed"]["usage"]["output_tokens"]
    assert said["counted"]["input_tokens"] == said["whole"]["usage"]["input_tokens"]
    assert said["refused"] == "NotFoundError"
    assert [request.status for request in service.requests] == [529, 200, 200, 200, 404]
