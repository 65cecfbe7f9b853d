// Runs the TypeScript SDK, given by its file, against a program, and prints what came as one line of JSON.
import { pathToFileURL } from "node:url";

const [sdk, executable, cwd] = process.argv.slice(2);
const { query } = await import(pathToFileURL(sdk).href);
const seen = [];
const hook = async (input) => {
  seen.push(`hook ${input.tool_name}`);
  return {};
};
const options = {
  pathToClaudeCodeExecutable: executable,
  cwd,
  canUseTool: async (name, input) => {
    seen.push(`asked ${name}`);
    return { behavior: "allow", updatedInput: input };
  },
  hooks: { PreToolUse: [{ hooks: [hook] }] },
};
for await (const message of query({ prompt: "hi", options })) {
  seen.push(message.subtype ?? message.type);
}
console.log(JSON.stringify(seen));
