"""A client made with the Python SDK: does what it is told and prints what it gets, one line a step.

    client.py ERA STEPS COMMAND [ARG...]
    client.py ERA STEPS URL

STEPS is a JSON list such as [["tools/list"], ["tools/call", "echo", {"message": "hi"}]].
"""

import asyncio
import json
import os
import sys

from mcp import Client, MCPError, StdioServerParameters
from mcp.client.sse import sse_client
from mcp.types import CreateMessageResult, ElicitResult, ListRootsResult, Root, TextContent


async def sample(context, params):
    return CreateMessageResult(
        role="assistant", content=TextContent(type="text", text="Ahoj 👋"), model="m"
    )


async def fill_in(context, params):
    return ElicitResult(action="accept", content={"name": "Ada", "check": True})


async def roots(context):
    return ListRootsResult(roots=[Root(uri="file:///tmp", name="tmp")])


async def progress(done, total, message):
    """Having one makes the SDK ask for progress; when it is called is a matter of chance."""


async def do(client, step):
    match step:
        case ["tools/list"]:
            return await client.list_tools()
        case ["tools/call", name, arguments]:
            return await client.call_tool(name, arguments, progress_callback=progress)
        case ["resources/list"]:
            return await client.list_resources()
        case ["resources/templates/list"]:
            return await client.list_resource_templates()
        case ["resources/read", uri]:
            return await client.read_resource(uri)
        case ["prompts/list"]:
            return await client.list_prompts()
        case ["prompts/get", name, arguments]:
            return await client.get_prompt(name, arguments)
    raise SystemExit(f"client.py does not know the step {step}")


def server_at(target, *args):
    if target.endswith("/sse"):
        return sse_client(target)
    if target.startswith("http://"):
        return target
    return StdioServerParameters(command=target, args=args, env=dict(os.environ))


async def main(era, steps, *target):
    server = server_at(*target)
    async with Client(
        server,
        mode=era,
        sampling_callback=sample,
        elicitation_callback=fill_in,
        list_roots_callback=roots,
    ) as client:
        print(client.protocol_version, client.server_info, client.instructions)
        print(client.server_capabilities.model_dump_json(by_alias=True))
        for step in json.loads(steps):
            try:
                result = (await do(client, step)).model_dump_json(by_alias=True)
            except MCPError as error:
                result = f"error {error.error.model_dump_json()}"
            print(json.dumps(step), result)


asyncio.run(main(*sys.argv[1:]))
