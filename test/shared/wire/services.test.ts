import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { snakepit } from '../../../src/shared/wire/gen/bridge.js';
import type { MethodName } from '../../../src/shared/wire/services.js';
import { METHODS, methodPath, SERVICE_NAMES } from '../../../src/shared/wire/services.js';

// Tests run in dist/test/shared/wire.
const proto = readFileSync(fileURLToPath(new URL('../../../../proto/bridge.proto', import.meta.url)), 'utf8');

interface Declared {
  readonly name: string;
  readonly request: string;
  readonly response: string;
  readonly isServerStream: boolean;
}

function declaredBy(serviceName: string): Declared[] {
  const body = new RegExp(`^service ${serviceName} \\{([\\s\\S]*?)^\\}`, 'm').exec(proto)?.[1] ?? '';
  return [...body.matchAll(/rpc (\w+)\((\w+)\) returns \((stream )?(\w+)\);/g)].map(
    ([, name, request, stream, response]) => ({
      name: name!,
      request: request!,
      response: response!,
      isServerStream: stream !== undefined,
    }),
  );
}

const classOf = (name: string): unknown => (snakepit.bridge as unknown as Record<string, unknown>)[name];

describe('the methods', () => {
  for (const serviceName of SERVICE_NAMES) {
    test(`are those that the contract declares for ${serviceName}, with its messages`, () => {
      const declared = declaredBy(serviceName.replace('snakepit.bridge.', ''));
      assert.deepEqual(declared.map(({ name }) => name).sort(), Object.keys(METHODS).sort());
      for (const { name, request, response, isServerStream } of declared) {
        const method = METHODS[name as MethodName];
        assert.equal(method.name, name);
        assert.equal(method.isServerStream, isServerStream, name);
        assert.equal(method.decodeRequest(new Uint8Array(0)).constructor, classOf(request), name);
        assert.equal(method.decodeResponse(new Uint8Array(0)).constructor, classOf(response), name);
      }
    });
  }

  test('read what they have written', () => {
    const request = { sessionId: 's', variableIdentifier: 'fan', expectedVersion: 3, metadata: { source: 'test' } };
    const back = METHODS.SetVariable.decodeRequest(METHODS.SetVariable.encodeRequest(request));
    assert.deepEqual({ ...back }, request);
    const response = METHODS.SetVariable.decodeResponse(
      METHODS.SetVariable.encodeResponse({ success: true, newVersion: 4 }),
    );
    assert.deepEqual({ ...response }, { success: true, newVersion: 4 });
  });
});

test('the path of a method names its service', () => {
  assert.equal(methodPath(SERVICE_NAMES[0], 'Ping'), '/snakepit.bridge.BridgeService/Ping');
});
