/**
 * Redis pub/sub by ioredis: a channel a variable, all on one connection. PUBLISH keeps nothing and counts nothing, so a watcher cannot know
 * what it missed; it is the lightest that Redis has. Single sets are SET, which tells nobody.
 */
import { Redis } from 'ioredis';
import type { Peer } from './peer.js';
import { WatchersByName } from './watchers-by-name.js';

export const redis: Peer = {
  openWatchClient: async (port, readTime) => {
    const subscriber = connect(port);
    const commands = connect(port);
    const watchers = new WatchersByName();
    subscriber.on('message', (channel: string, text: string) => watchers.call(channel, readTime(text)));
    return {
      watch: async (name, onUpdate) => {
        const call = (value: number, version: number) => onUpdate(value, version, 0);
        watchers.add(name, call);
        await subscriber.subscribe(name);
        return async () => {
          if (watchers.remove(name, call)) await subscriber.unsubscribe(name);
        };
      },
      set: (name, value) => commands.set(name, value),
      close: async () => {
        subscriber.disconnect();
        commands.disconnect();
      },
    };
  },
  openSetter: async (port) => {
    const commands = connect(port);
    await commands.ping();
    return {
      set: (texts, onAnswer) => {
        const pipeline = commands.pipeline();
        for (const [name, text] of texts) pipeline.publish(name, text);
        pipeline.exec().then(
          (answers) => {
            const failures = (answers ?? []).flatMap(([error]) => (error === null ? [] : [error]));
            onAnswer(failures.length, failures[0]?.message);
          },
          (error: unknown) => onAnswer(texts.size, String(error)),
        );
      },
    };
  },
};

/** With the client's own batching of what is sent in one turn. */
function connect(port: number): Redis {
  return new Redis({ host: '127.0.0.1', port, enableAutoPipelining: true, enableReadyCheck: false });
}
