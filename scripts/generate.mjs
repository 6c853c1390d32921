// Makes the protobuf code from proto/bridge.proto: src/shared/wire/gen/bridge.js and bridge.d.ts, not kept in git.
// tsc copies neither .js nor .d.ts files, so they are written to dist too.

import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const source = join(root, 'proto/bridge.proto');
const generated = join(root, 'src/shared/wire/gen');
const shipped = join(root, 'dist/src/shared/wire/gen');
const files = ['bridge.js', 'bridge.d.ts'];

export function generate() {
  mkdirSync(generated, { recursive: true });
  const require = createRequire(import.meta.url);
  const packageFile = require.resolve('protobufjs-cli/package.json');
  const cli = join(dirname(packageFile), JSON.parse(readFileSync(packageFile, 'utf8')).bin.pbjs);
  const flags = [
    ...['--target', 'static-module'],
    ...['--wrap', 'esm'],
    // Without a root of our own, the types land in one that every protobufjs user of the process shares.
    ...['--root', 'bridged-state'],
    // Only create, encode and decode are used: messages.ts is the one mapping to and from our own shapes.
    '--no-verify',
    '--no-convert',
    '--no-typeurl',
    '--no-delimited',
    '--no-service',
    '--null-semantics',
  ];
  const pbjs = (...more) =>
    execFileSync(process.execPath, [cli, ...flags, ...more, source], {
      cwd: root,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  // Twice, because the declarations are made from the comments and the shipped code needs none: it halves the file.
  pbjs('--dts', '--out', join(generated, 'bridge.js'));
  pbjs('--no-comments', '--out', join(generated, 'bridge.js'));
  copyGenerated();
}

export function isGenerated() {
  return files.every((file) => existsSync(join(generated, file)));
}

export function copyGenerated() {
  mkdirSync(shipped, { recursive: true });
  for (const file of files) copyFileSync(join(generated, file), join(shipped, file));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) generate();
