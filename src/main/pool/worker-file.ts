/**
 * Where the workers' code is: beside this module in the package, or beside the file that a bundler made of it. docs/bundling.md has the
 * recipe. Path: worker pool -> [worker file] -> worker thread.
 */
import { existsSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { InvalidOptionsError, WorkerError } from '../../shared/errors.js';

/**
 * URL of the module that a worker runs. `given` is the option workerUrl.
 * @throws WorkerError naming the file that is not there; InvalidOptionsError for what is no file
 */
export function workerFile(given: string | URL | undefined): string {
  if (given !== undefined) return checked(givenUrl(given));
  // What a bundler makes of CommonJS has no URL.
  const { url } = import.meta as { readonly url?: string };
  if (url === undefined) throw notThere(`${WORKER_NAME} beside it, which this bundle cannot look for`);
  if (url.endsWith(OWN_PLACE)) return new URL('../../workers/piscina-task.cjs', url).href;
  const beside = BESIDE.map((name) => new URL(name, url)).find((place) => existsSync(place));
  if (beside === undefined) throw notThere(fileURLToPath(new URL(WORKER_NAME, url)));
  const piscina = new URL('./worker.js', beside);
  if (!existsSync(piscina)) throw notThere(fileURLToPath(piscina));
  return beside.href;
}

function givenUrl(given: string | URL): URL {
  const url = typeof given === 'string' && isAbsolute(given) ? pathToFileURL(given) : tryUrl(String(given));
  if (url?.protocol === 'file:') return url;
  throw new InvalidOptionsError('workerUrl: give the file URL, or the absolute path, of the bundled worker');
}

function tryUrl(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined;
}

function checked(url: URL): string {
  if (existsSync(url)) return url.href;
  throw notThere(fileURLToPath(url));
}

function notThere(file: string): WorkerError {
  return new WorkerError(
    `the workers' code is not there: ${file}: leave bridged-state out of the bundle, or bundle its worker too (docs/bundling.md)`,
  );
}

const OWN_PLACE = '/main/pool/worker-file.js';
/** As the recipe calls it. */
const WORKER_NAME = './bridged-state-worker.js';
const BESIDE = [WORKER_NAME, './bridged-state-worker.mjs'];
