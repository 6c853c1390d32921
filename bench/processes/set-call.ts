/**
 * A SetVariables call on the channel itself, without the client's interceptors, emitter and stack trace around it: what the writer
 * collects as garbage stops it, and a stopped writer is in every latency beside it.
 */
import type { Client } from '@grpc/grpc-js';
import { Metadata } from '@grpc/grpc-js';
import type { RequestOf, ResponseOf } from '../../src/shared/wire/services.js';
import { METHODS } from '../../src/shared/wire/services.js';
import { pathOf } from '../baselines/plain-calls.js';

/** `onAnswer` is called once, with the answer or with what the call failed of. */
export function callSetVariables(
  client: Client,
  request: RequestOf<'SetVariables'>,
  onAnswer: (answer: ResponseOf<'SetVariables'> | undefined, failure: string) => void,
): void {
  let answer: ResponseOf<'SetVariables'> | undefined;
  const call = client.getChannel().createCall(PATH, Number.POSITIVE_INFINITY, null, null, null);
  call.start(new Metadata(), {
    onReceiveMetadata: () => undefined,
    onReceiveMessage: (bytes: Buffer) => {
      answer = METHODS.SetVariables.decodeResponse(bytes);
      call.startRead();
    },
    onReceiveStatus: ({ code, details }) => onAnswer(code === 0 ? answer : undefined, `${code} ${details}`),
  });
  call.startRead();
  call.sendMessageWithContext({}, METHODS.SetVariables.encodeRequest(request) as Buffer);
  call.halfClose();
}

const PATH = pathOf('SetVariables');
