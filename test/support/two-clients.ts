/** Two clients of one session as one provider: one changes and reads, the other watches. What one does the other must see. */
import type { Capabilities, ExportedState, StateProvider, Watch, WatcherInfo } from '../../src/main/index.js';

export class TwoClients implements StateProvider {
  readonly #setter: StateProvider;
  readonly #watcher: StateProvider;
  readonly registerVariable: StateProvider['registerVariable'];
  readonly setVariable: StateProvider['setVariable'];
  readonly updateVariables: StateProvider['updateVariables'];
  readonly deleteVariable: StateProvider['deleteVariable'];
  readonly rollback: StateProvider['rollback'];
  readonly history: StateProvider['history'];
  readonly listVariables: StateProvider['listVariables'];
  readonly getVariable: StateProvider['getVariable'];
  readonly getVariables: StateProvider['getVariables'];
  readonly getVariableInfo: StateProvider['getVariableInfo'];
  readonly watchVariables: StateProvider['watchVariables'];
  readonly watch: StateProvider['watch'];
  readonly peek: StateProvider['peek'];

  constructor(setter: StateProvider, watcher: StateProvider) {
    this.#setter = setter;
    this.#watcher = watcher;
    this.registerVariable = setter.registerVariable.bind(setter);
    this.setVariable = setter.setVariable.bind(setter);
    this.updateVariables = setter.updateVariables.bind(setter);
    this.deleteVariable = setter.deleteVariable.bind(setter);
    this.rollback = setter.rollback.bind(setter);
    this.history = setter.history.bind(setter);
    // Read by the one that did not make the change.
    this.listVariables = watcher.listVariables.bind(watcher);
    this.getVariable = watcher.getVariable.bind(watcher);
    this.getVariables = watcher.getVariables.bind(watcher);
    this.getVariableInfo = watcher.getVariableInfo.bind(watcher);
    this.watchVariables = watcher.watchVariables.bind(watcher);
    this.watch = watcher.watch.bind(watcher);
    this.peek = watcher.peek.bind(watcher);
  }

  get supportsWatching(): boolean {
    return this.#watcher.supportsWatching;
  }

  get capabilities(): Capabilities {
    return this.#watcher.capabilities;
  }

  unwatchVariables(refOrWatch: string | Watch): Promise<void> {
    return this.#watcher.unwatchVariables(refOrWatch);
  }

  listWatchers(): Promise<WatcherInfo[]> {
    return this.#watcher.listWatchers();
  }

  exportState(): Promise<ExportedState> {
    return this.#watcher.exportState();
  }

  importState(exported: ExportedState): Promise<void> {
    return this.#setter.importState(exported);
  }

  async close(): Promise<void> {
    await Promise.all([this.#watcher.close(), this.#setter.close()]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
