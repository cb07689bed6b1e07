# REQUIRES: plugin
# (the server is built where MLIR is shared, as the plugin is)
# RUN: %python %s | FileCheck %s
"""An editor's first words to headrace-lsp-server, over its standard streams."""

import json
import subprocess

TEXT = """func.func private @good(!qlinear.packed<4x32, #qlinear.gguf<q8_0>>)
func.func private @bad(!qlinear.packed<4x33, #qlinear.gguf<q8_0>>)
"""


def framed(message):
    body = json.dumps({"jsonrpc": "2.0", **message}).encode()
    return b"Content-Length: %d\r\n\r\n%s" % (len(body), body)


document = {"uri": "file:///test.mlir", "languageId": "mlir", "version": 1, "text": TEXT}
conversation = [
    {"id": 1, "method": "initialize", "params": {"capabilities": {}, "processId": None}},
    {"method": "initialized", "params": {}},
    {"method": "textDocument/didOpen", "params": {"textDocument": document}},
    {"id": 2, "method": "shutdown"},
    {"method": "exit"},
]
done = subprocess.run(
    ["headrace-lsp-server"],
    input=b"".join(map(framed, conversation)),
    stdout=subprocess.PIPE,
    stderr=subprocess.DEVNULL,
    timeout=120,
)
print("exit code", done.returncode)
replies = [json.loads(part[: part.rindex(b"}") + 1]) for part in done.stdout.split(b"\r\n\r\n")[1:]]
for reply in replies:
    if reply.get("id") == 1:
        print("definitions", reply["result"]["capabilities"]["definitionProvider"])
    for diagnostic in reply.get("params", {}).get("diagnostics", []):
        print("line", diagnostic["range"]["start"]["line"] + 1, diagnostic["message"])

# CHECK: exit code 0
# CHECK: definitions True
# CHECK: line 2 packed type: expected columns in multiples of 32 (the block of q8_0), but got 33
# CHECK-NOT: {{^}}line
