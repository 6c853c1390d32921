/** What somebody is told of a Redis that cannot be used: where, why, and what to do. Path: redis engine, commit calls -> [redis errors]. Pure. */
import { BridgeError, EngineFormatError, EngineUnavailableError, StorageFullError } from '../../../../shared/errors.js';
import type { PrimaryStats } from '../../engine.js';
import type { RedisRefusal } from './redis-refusal.js';
import { redisRefusalOf } from './redis-refusal.js';

interface Place {
  /** Its address without a password. */
  readonly shown: string;
}

/** Of what was asked in vain, as its caller is told. */
export function redisFailure(place: Place, cause: unknown): BridgeError {
  if (cause instanceof BridgeError) return cause;
  switch (redisRefusalOf(cause)) {
    case 'full':
      return new StorageFullError('Redis takes no more: nothing was done; free some of it, and it goes on by itself', {
        cause,
      });
    case 'foreign':
      return foreignKeys(place, cause);
    default:
      return redisUnavailable(place, cause);
  }
}

function redisUnavailable({ shown }: Place, cause: unknown): EngineUnavailableError {
  const refusal = redisRefusalOf(cause);
  const said = `${refusal === undefined ? 'does not answer' : 'refuses'} (${sentenceOf(cause)})`;
  return new EngineUnavailableError(`Redis at ${shown} ${said}: nothing was done; ${remedyOf(refusal, cause)}`, {
    cause,
  });
}

/** While a server waits for it to start. */
export function redisAway({ shown }: Place, cause: unknown): EngineUnavailableError {
  return new EngineUnavailableError(
    `Redis at ${shown} does not answer (${sentenceOf(cause)}): it is tried again until it does`,
    { cause },
  );
}

function foreignKeys({ shown }: Place, cause: unknown): EngineFormatError {
  return new EngineFormatError(
    `keys at ${shown} are of another program: give a prefix of its own, as in redis://HOST/PREFIX`,
    { cause },
  );
}

/** `expected`: the type that a server gives it. */
export function foreignKey({ shown }: Place, key: string, type: string, expected: string): EngineFormatError {
  return new EngineFormatError(
    `key ${key} at ${shown} is of another program, or was written by hand: it is a ${type}, and no ${expected} of ours; DEL or RENAME it, and sets go on by themselves, or give a prefix of its own, as in redis://HOST/PREFIX`,
  );
}

/** What a server would write there it could read. */
export function unreadableSession(
  { shown }: Place,
  prefix: string,
  sessionId: string,
  cause: unknown,
): EngineFormatError {
  return new EngineFormatError(
    `session "${sessionId}" cannot be read from ${shown} (${sentenceOf(cause)}): another program wrote into it; DEL ${prefix}s:${sessionId}, and it begins anew`,
    { cause },
  );
}

export function notACluster({ shown }: Place, cause: unknown): EngineUnavailableError {
  return new EngineUnavailableError(
    `Redis at ${shown} is no node of a cluster (${sentenceOf(cause)}): give its address as redis://, or that of a node`,
    { cause },
  );
}

export function inACluster({ shown }: Place): EngineUnavailableError {
  return new EngineUnavailableError(
    `Redis at ${shown} is a node of a cluster: give its address as ${shown.replace('://', '+cluster://')}`,
  );
}

/** The cause, with those of its primaries that are away. */
export function clusterCause(primaries: readonly PrimaryStats[], cause: unknown): unknown {
  const away = primaries.filter(({ isReady }) => !isReady).map(({ name }) => name);
  if (away.length === 0) return cause;
  return new Error(`${away.join(', ')} of the cluster: ${sentenceOf(cause)}: sessions elsewhere in it go on`, {
    cause,
  });
}

function sentenceOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

function remedyOf(refusal: RedisRefusal | undefined, cause: unknown): string {
  const { code } = cause as { readonly code?: unknown };
  if (refusal === 'denied') return 'look at the user and password in its address, and at what that user may do';
  if (refusal === 'later') return 'try again';
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return 'give the host that its certificate names';
  if (typeof code === 'string' && /CERT|ISSUER|SIGNATURE/.test(code))
    return 'trust who signed its certificate, by NODE_EXTRA_CA_CERTS=FILE';
  return 'start it, or look at its address';
}
