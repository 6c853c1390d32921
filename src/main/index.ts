/** The public names, nothing else. */

export type { Condition } from '../shared/delivery/condition.js';
export {
  AbortedError,
  AlreadyExistsError,
  BatchRefusedError,
  BridgeError,
  BufferOverflowError,
  ClosedError,
  ConstraintViolationError,
  DeadlineExceededError,
  EngineFormatError,
  EngineInUseError,
  EngineUnavailableError,
  InternalError,
  InvalidArgumentError,
  InvalidConstraintError,
  InvalidNameError,
  InvalidOptionsError,
  InvalidTypeError,
  InvalidValueError,
  LostSetsError,
  MessageTooLargeError,
  PermissionDeniedError,
  ProtocolError,
  QuotaExceededError,
  SessionNotFoundError,
  SlowStreamError,
  StorageFullError,
  UnauthenticatedError,
  UnavailableError,
  UnknownOutcomeError,
  UnsupportedError,
  VariablesNotFoundError,
  VersionConflictError,
  VersionNotFoundError,
  WatcherError,
  WatchNotFoundError,
  WorkerError,
} from '../shared/errors.js';
export type { Logger } from '../shared/logger.js';
export type {
  BatchWatchOptionsInput as BatchWatchOptions,
  PoolOptionsInput as WorkerPoolOptions,
  WatchFilter,
  WatchOptionsInput as WatchOptions,
} from '../shared/options.js';
export type { ExportedState, ExportedVariable } from '../shared/state/exported-state.js';
export type { DeletedReason } from '../shared/state/variable.js';
export type { Constraints, ConstraintsInput } from '../shared/values/constraint.js';
export type { Metadata } from '../shared/values/metadata.js';
export type {
  Embedding,
  JsonValue,
  Tensor,
  VariableInput,
  VariableType,
  VariableValue,
} from '../shared/values/variable-type.js';
export { OpaqueBinary } from '../shared/values/variable-type.js';
export type { BridgedStateOptions } from './bridged-state.js';
export { BridgedState } from './bridged-state.js';
export { Context } from './context.js';
export type { LocalStateOptions } from './local-state.js';
export { LocalState } from './local-state.js';
export { WorkerPool } from './pool/worker-pool.js';
export { DerivedVariable, derive } from './reactive/derived-variable.js';
export type { ReactiveOptions, WaitOptions } from './reactive/reactive-options.js';
export type { Compute } from './reactive/reactive-value.js';
export { combine, ReactiveValue } from './reactive/reactive-value.js';
export { ReactiveVariable, reactive } from './reactive/reactive-variable.js';
export { group, VariableGroup } from './reactive/variable-group.js';
export { waitFor } from './reactive/wait-for.js';
export type { Unsubscribe } from './reactive/watched-values.js';
export type { DefinitionOptions, VariableDefinition } from './schema/definitions.js';
export {
  boolean,
  choice,
  embedding,
  float,
  integer,
  list,
  map,
  module,
  string,
  tensor,
} from './schema/definitions.js';
export type { TypedChange, TypedWatcher } from './schema/typed-state.js';
export { TypedState } from './schema/typed-state.js';
export { defineVariables, VariableSchema } from './schema/variable-schema.js';
export type {
  Capabilities,
  HistoryEntry,
  Identifiers,
  PatternTarget,
  RegisterOptions,
  SetOptions,
  StateProvider,
  UpdateOptions,
  VariableInfo,
  Watch,
  WatcherInfo,
  WatchIterable,
  WatchState,
  WatchTarget,
} from './state-provider.js';
export type { ChangeOf, CombineOptions, VariableHandle } from './variables.js';
export { Variables } from './variables.js';
export type { BatchWatcher, UpdateMetadata, VariableChange, Watcher } from './watch/watcher.js';
