/** How channels of a state greet its server. Path: channel pool -> [channel credentials] -> grpc-js. */
import type { CallCredentials, ChannelOptions, experimental } from '@grpc/grpc-js';
import { ChannelCredentials, credentials } from '@grpc/grpc-js';
import type { TlsConfig } from '../../shared/port/commands.js';

export function channelCredentials(tls: TlsConfig | undefined): ChannelCredentials {
  const usual = tls === undefined ? credentials.createInsecure() : tlsCredentials(tls);
  // A later grpc-js may ask its credentials in another way: it gets what it knows then.
  return typeof usual._createSecureConnector === 'function' ? new EndingCredentials(usual) : usual;
}

function tlsCredentials({ ca, key, cert }: TlsConfig): ChannelCredentials {
  const pem = (text: string | undefined): Buffer | null => (text === undefined ? null : Buffer.from(text));
  return ChannelCredentials.createSsl(pem(ca), pem(key), pem(cert));
}

/**
 * Others, that connect nothing any more once their channel is closed: grpc-js tries a failed connection once more behind that, and where the server is there
 * by then, the connection stays for ever, with nobody who could close it.
 */
class EndingCredentials extends ChannelCredentials {
  readonly #others: ChannelCredentials;

  constructor(others: ChannelCredentials) {
    super();
    this.#others = others;
  }

  override _isSecure(): boolean {
    return this.#others._isSecure();
  }

  override _equals(other: ChannelCredentials): boolean {
    return this === other;
  }

  override _createSecureConnector(
    target: experimental.GrpcUri,
    options: ChannelOptions,
    callCredentials?: CallCredentials,
  ): experimental.SecureConnector {
    const connector = this.#others._createSecureConnector(target, options, callCredentials);
    let isOver = false;
    return {
      waitForReady: () => (isOver ? Promise.reject(new Error('the channel is closed')) : connector.waitForReady()),
      connect: (socket) => connector.connect(socket),
      getCallCredentials: () => connector.getCallCredentials(),
      destroy: () => {
        isOver = true;
        connector.destroy();
      },
    };
  }
}
