/** Where Redis is: the address that `--engine` and `RedisEngine` take. Path: redis engine -> [redis address] -> redis connection. Pure. */
import { InvalidOptionsError } from '../../../../shared/errors.js';

export interface RedisNode {
  readonly host: string;
  readonly port: number;
}

export interface RedisLogin {
  readonly username: string | undefined;
  readonly password: string | undefined;
}

/**
 * `sentinel`: whichever process the sentinels at `nodes` call the primary of `name`; what they ask for themselves is `sentinelLogin`. `cluster`: all
 * primaries of the cluster that some of `nodes` belong to; each of them is a `node` then.
 */
export type RedisPlace =
  | { readonly kind: 'socket'; readonly path: string }
  | { readonly kind: 'node'; readonly node: RedisNode; readonly isInCluster?: boolean }
  | { readonly kind: 'cluster'; readonly nodes: readonly RedisNode[] }
  | {
      readonly kind: 'sentinel';
      readonly nodes: readonly RedisNode[];
      readonly name: string;
      readonly sentinelLogin: RedisLogin;
    };

export interface RedisAddress {
  readonly place: RedisPlace;
  readonly login: RedisLogin;
  readonly isTls: boolean;
  /** Before every key. */
  readonly prefix: string;
  /** Without users and passwords, for sentences. */
  readonly shown: string;
}

/**
 * `redis://[USER:PASSWORD@]HOST[:PORT][/PREFIX]`, `redis+sentinel://[USER:PASSWORD@]HOST[:PORT],…/NAME[/PREFIX]` with `?sentinel_username=…&sentinel_password=…`
 * where the sentinels ask for them, `redis+cluster://[USER:PASSWORD@]HOST[:PORT],…[/PREFIX]`, `rediss` instead of `redis` with TLS, `unix:/PATH[?PREFIX]`. @throws InvalidOptionsError naming the part; no part of
 * what may be a password is repeated
 */
export function parseRedisUrl(url: string): RedisAddress {
  if (url.startsWith('unix:')) return parseSocket(url.slice('unix:'.length));
  const [, tls, kind, userAndPassword, hosts, path = '', query] = FORM.exec(url) ?? [];
  if (hosts === undefined) throw refused(`has another form: give ${FORMS}`);
  if (path.includes('@')) throw refused('has an @ behind a slash: write a slash in a password as %2F');
  const nodes = hosts.split(',').map((text) => parseNode(text, kind === '+sentinel' ? 26_379 : 6_379));
  const isTls = tls !== '';
  const shown = `redis${tls}${kind ?? ''}://${nodes.map(shownNode).join()}`;
  const common = { login: parseLogin(userAndPassword), isTls };
  if (kind !== '+sentinel') {
    if (query !== undefined) throw refused('takes nothing behind a question mark: write ? in a password as %3F');
    const prefix = prefixOf(path.slice(1));
    if (kind === undefined && nodes.length > 1)
      throw refused(
        `has several hosts: give ${SENTINEL_FORM} for those of sentinels, ${CLUSTER_FORM} for those of a cluster`,
      );
    if (kind === undefined) return { ...common, place: { kind: 'node', node: nodes[0]! }, prefix, shown };
    // It would hold all keys in one slot.
    if (/[{}]/.test(prefix))
      throw refused('has a brace in its prefix, which a cluster takes for its own: give another');
    return { ...common, place: { kind: 'cluster', nodes }, prefix, shown };
  }
  const [, name = '', rest = ''] = /^\/([^/]*)(?:\/(.*))?$/.exec(path) ?? [];
  if (name === '') throw refused(`lacks the name that the sentinels give to the primary: give ${SENTINEL_FORM}`);
  return {
    ...common,
    place: { kind: 'sentinel', nodes, name: decoded(name), sentinelLogin: parseSentinelLogin(query) },
    prefix: prefixOf(rest),
    shown: `${shown}/${name}`,
  };
}

export function shownNode({ host, port }: RedisNode): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function parseSocket(text: string): RedisAddress {
  const [path = '', prefix = ''] = text.split('?');
  return {
    ...{ place: { kind: 'socket', path }, login: { username: undefined, password: undefined }, isTls: false },
    ...{ prefix: prefix === '' ? '' : `${prefix}:`, shown: `unix:${path}` },
  };
}

function parseNode(text: string, defaultPort: number): RedisNode {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  const number = port === undefined ? defaultPort : Number(port);
  if (host === undefined || number < 1 || number > 65_535)
    throw refused('has a host that is not HOST:PORT or [IPV6]:PORT: write @ in a password as %40, / as %2F');
  return { host, port: number };
}

function parseLogin(text: string | undefined): RedisLogin {
  const [username = '', ...password] = (text ?? '').split(':');
  return { username: presentOf(username), password: presentOf(password.join(':')) };
}

function parseSentinelLogin(query: string | undefined): RedisLogin {
  const said = new Map<string, string>();
  for (const part of query === undefined || query === '' ? [] : query.split('&')) {
    const [, key, value] = /^sentinel_(username|password)=(.*)$/.exec(part) ?? [];
    if (key === undefined)
      throw refused('takes sentinel_username=… and sentinel_password=… behind its question mark, and nothing else');
    said.set(key, value!);
  }
  return { username: presentOf(said.get('username') ?? ''), password: presentOf(said.get('password') ?? '') };
}

function presentOf(text: string): string | undefined {
  return text === '' ? undefined : decoded(text);
}

function prefixOf(text: string): string {
  return text === '' ? '' : `${decoded(text)}:`;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw refused('has a % that begins no character: write % as %25', cause);
  }
}

function refused(why: string, cause?: unknown): InvalidOptionsError {
  return new InvalidOptionsError(`the address of Redis ${why}`, { cause });
}

/** What stands before the last @ of the hosts is the user and the password. */
const FORM = /^redis(s?)(\+sentinel|\+cluster)?:\/\/(?:([^/?#]*)@)?([^/?#@]+)(\/[^?#]*)?(?:\?(.*))?$/;
const SENTINEL_FORM = 'redis+sentinel://[USER:PASSWORD@]HOST:PORT,HOST:PORT/NAME[/PREFIX]';
const CLUSTER_FORM = 'redis+cluster://[USER:PASSWORD@]HOST:PORT,HOST:PORT[/PREFIX]';
const FORMS = `redis://[USER:PASSWORD@]HOST[:PORT][/PREFIX], ${SENTINEL_FORM} or ${CLUSTER_FORM}, each with rediss for TLS`;
