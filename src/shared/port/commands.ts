/** Main -> worker: what one slot is told to do. Every command but `grant` and `cells` has an id, or several, and each is answered exactly once (replies.ts). */
import type { Condition } from '../delivery/condition.js';
import type { Priority } from '../delivery/priority.js';
import type { Overflow } from '../delivery/update-ring.js';
import type { BackoffOptions } from '../resilience/backoff.js';
import type { Metadata } from '../values/metadata.js';
import type { OpaqueBinary, VariableInput } from '../values/variable-type.js';
import type { PortValue } from './port-value.js';
import type { CellChunk } from './value-cells.js';

/** By what watches travel. */
export type Transport = 'auto' | 'link' | 'stream';

/** One state's connection, complete: parsed in main, used as it is in the worker. */
export interface BridgeConfig {
  readonly endpoints: readonly string[];
  readonly sessionId: string;
  readonly tls: TlsConfig | undefined;
  readonly token: string | undefined;
  readonly transport: Transport;
  readonly reconnect: BackoffOptions & { readonly resetAfterMs: number; readonly maxAttempts: number };
  readonly breaker: { readonly failures: number; readonly openMs: number };
  /** Undefined: by whether there is another server to go to. */
  readonly keepalive: { readonly timeMs: number | undefined; readonly timeoutMs: number | undefined };
  readonly limits: ConnectionLimits;
}

export interface TlsConfig {
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
}

export interface ConnectionLimits {
  readonly streamsPerChannel: number;
  readonly maxMessageBytes: number;
  readonly connectTimeoutMs: number;
  readonly callTimeoutMs: number;
  readonly openTimeoutMs: number;
  readonly queuedSets: number;
}

export interface SubscriptionOptions {
  readonly includeInitial: boolean;
  readonly condition: Condition | undefined;
  readonly waitForMissing: boolean;
  /** What was set atomically is delivered in one turn. */
  readonly atomic: boolean;
  readonly bufferLimit: number;
  readonly overflow: Overflow;
  readonly priority: Priority;
  /** 0 = never stale. */
  readonly staleAfterMs: number;
}

/** Where a watch was when its worker died: the worker that takes over goes on from here. */
export interface ResumePoint {
  readonly version: number;
  readonly epoch: string;
  readonly variableId: string;
  /** The value seen last: for a watch with a condition, and where it can be peeked. */
  readonly last: PortValue | undefined;
}

export type Command =
  | AttachCommand
  | { readonly kind: 'detach'; readonly id: number; readonly bridge: number }
  | OpenCommand
  | OpensCommand
  | { readonly kind: 'drop'; readonly id: number; readonly subscription: number; readonly handles: readonly number[] }
  | { readonly kind: 'close'; readonly id: number; readonly subscription: number }
  | { readonly kind: 'call'; readonly id: number; readonly bridge: number; readonly call: Call }
  | SetsCommand
  | { readonly kind: 'stats'; readonly id: number }
  | { readonly kind: 'stop'; readonly id: number }
  | GrantCommand
  | CellsCommand;

export interface AttachCommand {
  readonly kind: 'attach';
  readonly id: number;
  readonly bridge: number;
  readonly config: BridgeConfig;
  /** The worker before this one had it: it is kept and tried again although no endpoint answers now. */
  readonly isRecovery: boolean;
}

/** As it was given, but for an OpaqueBinary, which a port would make another object of: that goes by a call. */
export type SetValue = Exclude<VariableInput, OpaqueBinary>;

/** Sets of one turn, answered one by one (`set-results`). Arrays by place. */
export interface SetsCommand {
  readonly kind: 'sets';
  readonly id: number;
  readonly bridge: number;
  readonly identifiers: readonly string[];
  readonly values: readonly SetValue[];
  readonly source: string;
  /** Undefined where none has any. */
  readonly metadata: readonly Metadata[] | undefined;
  /** 0 = whatever version it is at; undefined where that is so of all. */
  readonly expectedVersions: readonly number[] | undefined;
  /** Those that were asked for together, by place, in order. */
  readonly batches: readonly SetsOfBatch[];
}

/** The sets from one place on and before another; atomic: all of them or none. */
export interface SetsOfBatch {
  readonly from: number;
  readonly upTo: number;
  readonly atomic: boolean;
}

/** There is room in the lane again, for a worker that had asked for it. */
export interface GrantCommand {
  readonly kind: 'grant';
}

/** Memory for the present values of variables that are watched from now on. Sent before the `open` that needs it. */
export interface CellsCommand {
  readonly kind: 'cells';
  readonly index: number;
  readonly chunk: CellChunk;
}

/** Watches these variables on one upstream stream; `handles[i]` is what updates of `identifiers[i]` are addressed to. */
export interface OpenCommand {
  readonly kind: 'open';
  readonly id: number;
  readonly bridge: number;
  readonly subscription: number;
  readonly identifiers: readonly string[];
  readonly handles: readonly number[];
  /** Instead of names: what fits is watched, now and later. Then `identifiers` are those that had been found when it was opened again. */
  readonly patterns: readonly string[];
  /** The server's, as the state knows it, where what had not come did not exist: what has come into being since is told as such. */
  readonly epoch: string;
  /** Of one that resumes: it was in step before. */
  readonly wasSynced: boolean;
  readonly options: SubscriptionOptions;
  /** By place; undefined where the watch has seen nothing yet. */
  readonly resume: readonly (ResumePoint | undefined)[] | undefined;
}

/** Watches of one variable each, in columns: what they have in common is said once. */
export interface OpensCommand {
  readonly kind: 'opens';
  readonly bridge: number;
  readonly options: SubscriptionOptions;
  readonly ids: number[];
  readonly subscriptions: number[];
  readonly identifiers: string[];
  readonly handles: number[];
}

/** The calls of a state, in its own terms; the worker makes gRPC of them. */
export type Call =
  | {
      readonly name: 'register';
      readonly variable: string;
      readonly type: string;
      readonly initial: PortValue;
      readonly constraints: string;
      readonly source: string;
      readonly metadata: Metadata;
      readonly description: string;
      readonly ttlMs: number;
      readonly firstVersion: number;
    }
  | { readonly name: 'get'; readonly identifiers: readonly string[] }
  | { readonly name: 'list'; readonly pattern: string }
  | {
      readonly name: 'set';
      readonly identifier: string;
      readonly value: PortValue;
      readonly source: string;
      readonly metadata: Metadata;
      readonly expectedVersion: number;
    }
  | {
      readonly name: 'update';
      readonly values: readonly (readonly [identifier: string, value: PortValue])[];
      readonly atomic: boolean;
      readonly source: string;
      readonly metadata: Metadata;
    }
  | { readonly name: 'delete'; readonly identifier: string }
  | { readonly name: 'history'; readonly identifier: string; readonly limit: number }
  | { readonly name: 'rollback'; readonly identifier: string; readonly version: number; readonly source: string };

/** Those that only read. */
export type ReadCall = Extract<Call, { readonly name: 'get' | 'list' | 'history' }>;
/** Those that change something: when their answer is lost, nobody knows whether they did. */
export type ChangeCall = Exclude<Call, ReadCall>;

export function changesState(call: Call): call is ChangeCall {
  return call.name !== 'get' && call.name !== 'list' && call.name !== 'history';
}
