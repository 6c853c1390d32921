/** NATS core: a subject a variable, all on one connection. It keeps nothing and counts nothing. It has no set that is answered. */
import { connect } from '@nats-io/transport-node';
import type { Peer } from './peer.js';

export const nats: Peer = {
  openWatchClient: async (port, readTime) => {
    const connection = await connect({ servers: `127.0.0.1:${port}` });
    return {
      watch: async (name, onUpdate, onError) => {
        let version = 1;
        const subscription = connection.subscribe(name, {
          callback: (error, message) => {
            if (error !== null) return onError(error);
            version += 1;
            onUpdate(readTime(message.string()), version, 0);
          },
        });
        await connection.flush();
        return async () => subscription.unsubscribe();
      },
      set: () => Promise.reject(new Error('NATS core answers no publication: there is nothing to wait for')),
      close: () => connection.close(),
    };
  },
  openSetter: async (port) => {
    const connection = await connect({ servers: `127.0.0.1:${port}` });
    return {
      set: (texts, onAnswer) => {
        for (const [name, text] of texts) connection.publish(name, text);
        connection.flush().then(
          () => onAnswer(0, undefined),
          (error: unknown) => onAnswer(texts.size, String(error)),
        );
      },
    };
  },
};
