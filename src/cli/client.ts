/** The state that a client command works on: opened, used, closed. Path: command -> [client] -> BridgedState. */
import type { BridgedState } from '../main/index.js';
import type { TlsOptions } from './option-files.js';
import { readTls } from './option-files.js';

export type Transport = 'auto' | 'link' | 'stream';

export interface ClientOptions extends TlsOptions {
  /** Encrypts, and trusts the system's authorities. */
  readonly tls?: boolean;
  readonly endpoint: string;
  readonly session: string;
  readonly token?: string;
  readonly json?: boolean;
}

/** Opens the state, and closes it whatever happens: afterwards nothing keeps the process alive. */
export async function withState<T>(
  options: ClientOptions,
  use: (state: BridgedState) => Promise<T>,
  { workers = ONE_SHOT_WORKERS, transport }: { workers?: number; transport?: Transport } = {},
): Promise<T> {
  const tls = (await readTls(options)) ?? options.tls;
  const { BridgedState } = await import('../main/index.js');
  const state = await BridgedState.open({
    endpoint: options.endpoint,
    sessionId: options.session,
    workers,
    ...(transport === undefined ? {} : { transport }),
    source: 'bridged-state-cli',
    limits: { maxMessageBytes: MAX_MESSAGE_BYTES },
    ...(options.token === undefined ? {} : { token: options.token }),
    ...(tls === undefined ? {} : { tls }),
  });
  try {
    return await use(state);
  } finally {
    await state.close();
  }
}

/** A worker thread costs a command 80 ms more than it saves (`get`: 270 ms without, 350 ms with one; Node 20, 2 cores). */
const ONE_SHOT_WORKERS = 0;

/** The server answers `list` in one message: 4 MB, the library's default, are some 30,000 variables. */
const MAX_MESSAGE_BYTES = 512 * 1024 * 1024;
