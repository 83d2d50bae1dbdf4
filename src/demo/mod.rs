//! The built-in MCP server and client: ordinary peers that happen to live in this program.
