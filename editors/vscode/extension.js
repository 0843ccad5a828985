// Starts `coredump-serve --dap`, and opens dumps with it: by command, from the explorer, or as files.
"use strict";
const { execFile } = require("node:child_process");
const path = require("node:path");
const vscode = require("vscode");

const TYPE = "wasm-coredump";
// What may name the dump in a configuration.
const NAMES = ["coreFile", "coreDumpPath", "dumpPath", "core", "targetCreateCommands", "initCommands", "attachCommands", "setupCommands"];

function activate(context) {
  const adapter = {
    async createDebugAdapterDescriptor() {
      const settings = vscode.workspace.getConfiguration(TYPE);
      const server = settings.get("server");
      // VS Code says no more than that something failed.
      await new Promise((found, failed) => {
        const missing = (error) => new Error(`${server} cannot be started (${error.code}): install it, or name it in the setting ${TYPE}.server`);
        execFile(server, ["--version"], (error) => (error ? failed(missing(error)) : found()));
      });
      const distrust = vscode.workspace.isTrusted ? [] : ["--untrusted"];
      return new vscode.DebugAdapterExecutable(server, ["--dap", ...distrust, ...settings.get("arguments")]);
    },
  };
  const configuration = {
    // Without a launch.json there is nothing but the type: then the dump is asked for.
    async resolveDebugConfiguration(folder, config) {
      if (NAMES.some((name) => config[name])) return config;
      const uri = await ask();
      return uri && of(uri);
    },
  };
  // A dump that is opened as a file goes to the debugger. Its editor closes as soon as that has it.
  const editor = {
    openCustomDocument: (uri) => ({ uri, dispose() {} }),
    async resolveCustomEditor(document, panel) {
      panel.webview.html = "<p>The debugger opens this dump.</p>";
      await open(document.uri);
      panel.dispose();
    },
  };
  context.subscriptions.push(
    vscode.debug.registerDebugAdapterDescriptorFactory(TYPE, adapter),
    vscode.debug.registerDebugConfigurationProvider(TYPE, configuration),
    vscode.window.registerCustomEditorProvider(`${TYPE}.dump`, editor),
    vscode.commands.registerCommand(`${TYPE}.open`, async (uri) => open(uri ?? (await ask()))),
  );
}

function of(uri) {
  const folder = vscode.workspace.getWorkspaceFolder(uri);
  return { type: TYPE, request: "attach", name: path.basename(uri.fsPath), coreFile: uri.fsPath, cwd: folder?.uri.fsPath };
}

async function open(uri) {
  if (uri) await vscode.debug.startDebugging(vscode.workspace.getWorkspaceFolder(uri), of(uri));
}

async function ask() {
  const filters = { "Core dumps": ["coredump", "gz", "zst", "wasm"], "All files": ["*"] };
  const chosen = await vscode.window.showOpenDialog({ title: "Open core dump", openLabel: "Open", filters });
  return chosen?.[0];
}

exports.activate = activate;
