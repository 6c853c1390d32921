/** Every public name, so that a change of the surface is a line that somebody reviews. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

interface Surface {
  /** What exists at run time. */
  values: string[];
  /** What only the compiler sees. */
  types: string[];
}

const surfaces: Record<string, Surface> = {
  'bridged-state': {
    values: [
      ...['BridgedState', 'Context', 'LocalState', 'OpaqueBinary', 'Variables', 'WorkerPool'],
      ...[
        'AbortedError',
        'AlreadyExistsError',
        'BatchRefusedError',
        'BridgeError',
        'BufferOverflowError',
        'ClosedError',
      ],
      ...['ConstraintViolationError', 'DeadlineExceededError', 'InternalError', 'InvalidArgumentError'],
      ...['EngineFormatError', 'EngineInUseError', 'EngineUnavailableError', 'StorageFullError'],
      ...['InvalidConstraintError', 'InvalidNameError', 'InvalidOptionsError', 'InvalidTypeError', 'InvalidValueError'],
      ...[
        'LostSetsError',
        'MessageTooLargeError',
        'PermissionDeniedError',
        'ProtocolError',
        'QuotaExceededError',
        'SessionNotFoundError',
      ],
      ...['SlowStreamError', 'UnauthenticatedError', 'UnavailableError', 'UnknownOutcomeError', 'UnsupportedError'],
      ...['VariablesNotFoundError', 'VersionConflictError', 'VersionNotFoundError', 'WatchNotFoundError'],
      ...['WatcherError', 'WorkerError'],
      ...['combine', 'derive', 'group', 'reactive', 'waitFor'],
      ...['DerivedVariable', 'ReactiveValue', 'ReactiveVariable', 'VariableGroup'],
      ...['defineVariables', 'TypedState', 'VariableSchema'],
      ...['boolean', 'choice', 'embedding', 'float', 'integer', 'list', 'map', 'module', 'string', 'tensor'],
    ],
    types: [
      'BatchWatchOptions',
      'BatchWatcher',
      'BridgedStateOptions',
      'Capabilities',
      'ChangeOf',
      'CombineOptions',
      'Compute',
      'Condition',
      'Constraints',
      'ConstraintsInput',
      'DefinitionOptions',
      'DeletedReason',
      'Embedding',
      'ExportedState',
      'ExportedVariable',
      'HistoryEntry',
      'Identifiers',
      'JsonValue',
      'LocalStateOptions',
      'Logger',
      'Metadata',
      'PatternTarget',
      'ReactiveOptions',
      'RegisterOptions',
      'SetOptions',
      'StateProvider',
      'Tensor',
      'TypedChange',
      'TypedWatcher',
      'Unsubscribe',
      'UpdateMetadata',
      'UpdateOptions',
      'VariableChange',
      'VariableDefinition',
      'VariableHandle',
      'VariableInfo',
      'VariableInput',
      'VariableType',
      'VariableValue',
      'WaitOptions',
      'Watch',
      'WatchFilter',
      'WatchIterable',
      'WatchOptions',
      'WatchState',
      'WatchTarget',
      'Watcher',
      'WatcherInfo',
      'WorkerPoolOptions',
    ],
  },
  'bridged-state/server': {
    values: ['LocalEngine', 'MemoryEngine', 'RedisEngine', 'SqliteJournal', 'startBridgeServer'],
    types: [
      'BridgeServer',
      'BridgeServerMetrics',
      'BridgeServerOptions',
      'Commit',
      'Engine',
      'EngineHealth',
      'EngineHost',
      'EngineStats',
      'Follower',
      'Following',
      'Group',
      'Journal',
      'Kept',
      'Life',
      'LocalEngineOptions',
      'Outcome',
      'RedisEngineOptions',
      'SqliteJournalOptions',
      'TokenOption',
    ],
  },
  // For bundlers (docs/bundling.md).
  'bridged-state/worker': { values: ['default'], types: [] },
  'bridged-state/testing': {
    values: ['describeEngine', 'describeStateProvider'],
    types: ['EngineSetup'],
  },
};

for (const [entry, { values, types }] of Object.entries(surfaces)) {
  test(`${entry} exports these values and no others`, async () => {
    const exported = Object.keys((await import(entry)) as object);
    assert.deepEqual(exported.sort(), values.sort());
  });

  test(`${entry} exports these types and no others`, () => {
    // The declarations lie beside the code, under the same name.
    const declarations = fileURLToPath(import.meta.resolve(entry)).replace(/\.js$/, '.d.ts');
    const onlyTypes = declaredNames(readFileSync(declarations, 'utf8')).filter((name) => !values.includes(name));
    assert.deepEqual(onlyTypes.sort(), types.sort());
  });
}

function declaredNames(declarations: string): string[] {
  const lists = [...declarations.matchAll(/^export (?:type )?\{([^}]*)\}/gm)].flatMap(
    ([, list]) => list?.split(',') ?? [],
  );
  const listed = lists.map((item) =>
    item
      .trim()
      .replace(/^type /, '')
      .replace(/^.* as /, ''),
  );
  const declared = declarations.matchAll(
    /^export (?:declare )?(?:abstract )?(?:class|function|const|interface|type|enum) (\w+)/gm,
  );
  return [...new Set([...listed.filter((name) => name !== ''), ...[...declared].map(([, name]) => name ?? '')])];
}
