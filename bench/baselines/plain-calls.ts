/** Calls as a plain grpc-js client makes them, with the generated protobuf code: the baseline's, and the writer's. */
import type { ServiceError } from '@grpc/grpc-js';
import { Client, credentials } from '@grpc/grpc-js';
import type { Method, MethodName, RequestOf, ResponseOf } from '../../src/shared/wire/services.js';
import { METHODS, methodPath, SERVICE_NAMES } from '../../src/shared/wire/services.js';

export function pathOf(name: MethodName): string {
  return methodPath(SERVICE_NAMES[0], name);
}

/** A connection of its own: clients of one process share theirs otherwise, and with it its limit of streams. */
export function connectPlain(port: number): Client {
  return new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
    'grpc.use_local_subchannel_pool': 1,
    'grpc.enable_retries': 0,
    'grpc.enable_channelz': 0,
    'grpc-node.flow_control_window': 1 << 20,
  });
}

/** @throws ServiceError */
export function callPlain<M extends MethodName>(
  client: Client,
  name: M,
  request: RequestOf<M>,
): Promise<ResponseOf<M>> {
  const method = METHODS[name] as unknown as Method<RequestOf<M>, ResponseOf<M>>;
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      pathOf(name),
      (message: RequestOf<M>) => method.encodeRequest(message) as Buffer,
      (bytes: Buffer) => method.decodeResponse(bytes),
      request,
      (error: ServiceError | null, response?: ResponseOf<M>) => {
        if (error === null) resolve(response!);
        else reject(error);
      },
    );
  });
}

/** An integer as it travels. */
export function integerValue(value: number): { type_url: string; value: Uint8Array } {
  return { type_url: INTEGER_TYPE, value: Buffer.from(String(value)) };
}

const INTEGER_TYPE = 'type.googleapis.com/snakepit.integer';
