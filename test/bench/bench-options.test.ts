import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { benchModule } from './bench-module.js';

const { parseBenchOptions } = await import(benchModule('bench-options'));
const { loadOf, measureInTurn } = await import(benchModule('scenarios/scenario'));
const { comparedPeers } = await import(benchModule('scenarios/compared-job'));
const { planOf } = await import(benchModule('scenarios/stream-job'));

const KNOWN = ['steady', 'busy', 'micro'];
const parse = (...args: string[]) => parseBenchOptions(args, KNOWN);

describe('command line', () => {
  test('without names everything runs, with names those, in the house order', () => {
    assert.deepEqual(parse().names, KNOWN);
    assert.deepEqual(parse('micro', 'steady').names, ['steady', 'micro']);
  });

  test('what takes minutes runs only when it is named', () => {
    const usual = ['steady', 'busy'];
    assert.deepEqual(parseBenchOptions([], KNOWN, usual).names, usual);
    assert.deepEqual(parseBenchOptions(['micro'], KNOWN, usual).names, ['micro']);
  });

  test('a sweep of workers names each number once', () => {
    assert.deepEqual(parse('--workers', '1,2,4,2').workers, [1, 2, 4]);
  });

  test('both carriers are measured, or the one that is named', () => {
    assert.deepEqual(parse().transports, ['link', 'stream']);
    assert.deepEqual(parse('--transport', 'stream').transports, ['stream']);
  });

  test('peers are all that there are, those that are named, or none', () => {
    assert.deepEqual(parse().peers, ['redis', 'nats', 'nats-kv', 'etcd']);
    assert.deepEqual(parse('--peers', 'etcd,redis').peers, ['redis', 'etcd']);
    assert.deepEqual(parse('--peers', 'none').peers, []);
  });

  test('a quick run has time for few peers, unless they are named', () => {
    const able = { able: ['redis', 'etcd'], quick: ['redis'] };
    assert.deepEqual(comparedPeers(parse(), able), ['redis', 'etcd']);
    assert.deepEqual(comparedPeers(parse('--quick'), able), ['redis']);
    assert.deepEqual(comparedPeers(parse('--quick', '--peers', 'etcd'), able), ['etcd']);
    assert.deepEqual(comparedPeers(parse('--quick', '--peers', 'none'), able), []);
  });

  test('help is no run', () => {
    assert.equal(parse('--help'), undefined);
  });

  const wrong: [string[], RegExp][] = [
    [['nope'], /there is no "nope": choose from steady, busy, micro/],
    [['--rate', 'fast'], /--rate is "fast"/],
    [['--workers', '1,,2'], /--workers is ""/],
    [['--watches', '1.5'], /whole number/],
    [['--quick', '--full'], /not both/],
    [['--transport', 'pigeon'], /--transport is "pigeon": give link, stream/],
    [['--peers', 'redis,pigeon'], /--peers names "pigeon": give none, or some of redis,nats,nats-kv,etcd/],
    [['--slow'], /slow/],
  ];
  for (const [args, sentence] of wrong) {
    test(`${args.join(' ')} is refused in words`, () => {
      assert.throws(() => parse(...args), sentence);
    });
  }
});

describe('load', () => {
  const quick = { watches: 10, rate: 100, seconds: 1, warmupSeconds: 1 };
  const normal = { watches: 100, rate: 1_000, seconds: 10, warmupSeconds: 2 };

  test('the command line overrules the size', () => {
    assert.deepEqual(loadOf(parse('--quick', '--rate', '7'), { quick, normal }), { ...quick, rate: 7 });
    assert.deepEqual(loadOf(parse('--full'), { quick, normal }), { ...normal, seconds: 30 });
  });

  test('the part that counts begins with the first set after the warm-up', () => {
    const job = { ...normal, scenario: 'fanout', variables: 1, worksBeside: false };
    const { plan, part } = planOf({ ...job, watches: 300 }, 5_000);
    assert.ok(plan.sets > part.firstSet);
    // 3.33 sets a second: the seventh set is the first that is due after 2 s.
    assert.equal(part.firstSet, 7);
    assert.equal(part.fromUs, 5_000 + 2_100_000);
    assert.equal(part.toUs, part.fromUs + 10_000_000);
  });

  test('pairs are measured in turn, there and back', async () => {
    const order: string[] = [];
    const measure = ['ours', 'plain'].map((transport) => async () => {
      order.push(transport);
      return { row: { scenario: 'steady', transport, p99_ms: order.length }, problems: [] };
    });
    const [ours, plain] = await measureInTurn(2, measure);
    assert.deepEqual(order, ['ours', 'plain', 'plain', 'ours']);
    assert.equal(ours.row.p99_ms, 2.5);
    assert.equal(plain.row.p99_ms, 2.5);
  });
});
