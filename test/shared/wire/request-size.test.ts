import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { bytesToOpen, bytesToResume, partsThatResume } from '../../../src/shared/wire/request-size.js';
import { METHODS } from '../../../src/shared/wire/services.js';

const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 60 });

test('a request is never larger than estimated, at first and when it resumes', () => {
  fc.assert(
    fc.property(fc.uniqueArray(name, { minLength: 1, maxLength: 50 }), (names) => {
      const request = {
        sessionId: 's'.repeat(256),
        variableIdentifiers: names,
        options: { watch_token: 'w'.repeat(30) },
      };
      assert.ok(METHODS.WatchVariables.encodeRequest(request).length <= bytesToOpen(names));
      const resume = Object.fromEntries(
        names.map((_, place) => [`var_${String(place).padStart(20, '0')}`, 2 ** 31 - 1]),
      );
      const resumed = METHODS.WatchVariables.encodeRequest({ ...request, resume, resumeEpoch: 'e'.repeat(70) });
      assert.ok(resumed.length <= bytesToResume(names));
    }),
  );
});

test('parts hold each identifier once, in order, and fit the limit unless one alone does not', () => {
  fc.assert(
    fc.property(fc.array(name, { maxLength: 80 }), fc.integer({ min: 2_048, max: 4_000 }), (names, maxBytes) => {
      const parts = partsThatResume(names, maxBytes);
      assert.deepEqual(parts.flat(), [...names.keys()]);
      for (const part of parts) {
        assert.ok(part.length === 1 || bytesToResume(part.map((place) => names[place]!)) <= maxBytes);
      }
    }),
  );
});
