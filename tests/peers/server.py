"""A server made with fastmcp: unusual text, progress, logging, elicitation, sampling, errors.

    server.py          on stdin and stdout
    server.py PORT     on HTTP
"""

import sys

from fastmcp import Context, FastMCP
from fastmcp.exceptions import ToolError

server = FastMCP("odd", instructions="Ünusual → text \u202ereversed\u202c 🦀")


@server.tool
def odd_text(times: int = 1) -> str:
    """Text that trips careless readers: separators, escapes, quotes."""
    return "a\u2028b\u2029c \\n \"q\" \x7f \ud7ff 𝄞\n" * times


@server.tool
def numbers() -> dict:
    """Numbers whose spelling matters."""
    return {"big": 12345678901234567890123, "float": 1.0, "tiny": 5e-324, "minus": -0.0}


@server.tool
async def steps(count: int, ctx: Context) -> str:
    """Reports progress."""
    for step in range(count):
        await ctx.report_progress(step + 1, count, f"step {step + 1}")
    return f"{count} done"


@server.tool
def fails() -> str:
    raise ToolError("as asked")


@server.resource("odd://text")
def text() -> str:
    return "line one\nline two\n"


@server.resource("odd://greeting/{name}")
def greeting(name: str) -> str:
    return f"Hello, {name}"


@server.prompt
def review(code: str) -> str:
    return f"Review:\n\n{code}"


if __name__ == "__main__":
    if sys.argv[1:]:
        server.run(transport="http", port=int(sys.argv[1]), show_banner=False)
    else:
        server.run(show_banner=False)
