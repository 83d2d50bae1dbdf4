// A client made with the TypeScript SDK: does what it is told and prints what it gets, one line a step.
//
//     client.mjs STEPS COMMAND [ARG...]
//     client.mjs STEPS URL
//
// STEPS is a JSON list such as [["tools/list"], ["tools/call", "echo", {"message": "hi"}]].

import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

// The SDK lies with the other peers, not beside this file.
const require = createRequire(`${process.env.SENTINEL_PEERS}/package.json`);
const sdk = async (path) =>
  import(pathToFileURL(require.resolve(`@modelcontextprotocol/sdk/${path}`)));
const { Client } = await sdk("client/index.js");
const { StdioClientTransport } = await sdk("client/stdio.js");
const { SSEClientTransport } = await sdk("client/sse.js");
const { StreamableHTTPClientTransport } = await sdk("client/streamableHttp.js");
const types = await sdk("types.js");

const [steps, target, ...args] = process.argv.slice(2);
const transport = () => {
  if (target.endsWith("/sse")) return new SSEClientTransport(new URL(target));
  if (target.startsWith("http://"))
    return new StreamableHTTPClientTransport(new URL(target));
  return new StdioClientTransport({
    command: target,
    args,
    env: process.env,
  });
};
const client = new Client(
  { name: "typescript", version: "1" },
  { capabilities: { sampling: {}, elicitation: {}, roots: {} } },
);
client.setRequestHandler(types.CreateMessageRequestSchema, async () => ({
  role: "assistant",
  content: { type: "text", text: "Ahoj 👋" },
  model: "m",
}));
client.setRequestHandler(types.ElicitRequestSchema, async () => ({
  action: "accept",
  content: { name: "Ada", check: true },
}));
client.setRequestHandler(types.ListRootsRequestSchema, async () => ({
  roots: [{ uri: "file:///tmp", name: "tmp" }],
}));

const does = {
  "tools/list": () => client.listTools(),
  // Having an onprogress makes the SDK ask for progress; when it is called is a matter of chance.
  "tools/call": (name, args) =>
    client.callTool({ name, arguments: args }, undefined, {
      onprogress: () => {},
    }),
  "resources/list": () => client.listResources(),
  "resources/templates/list": () => client.listResourceTemplates(),
  "resources/read": (uri) => client.readResource({ uri }),
  "prompts/list": () => client.listPrompts(),
  "prompts/get": (name, args) => client.getPrompt({ name, arguments: args }),
};

await client.connect(transport());
console.log(
  JSON.stringify([client.getServerVersion(), client.getServerCapabilities()]),
  client.getInstructions(),
);
for (const step of JSON.parse(steps)) {
  const [method, ...rest] = step;
  let result;
  try {
    result = JSON.stringify(await does[method](...rest));
  } catch (error) {
    result = `error ${error.code} ${error.message}`;
  }
  console.log(JSON.stringify(step), result);
}
await client.close();
