/** Every call of the contract as data: its path, and how its messages become bytes. The same methods under both service names. */
import type { Writer } from 'protobufjs/minimal.js';
import { snakepit } from './gen/bridge.js';
import { bytesOf } from './message-bytes.js';

/** What pbjs generates for a message, as far as we use it. */
interface MessageType<T> {
  encode(message: T, writer: Writer): Writer;
  decode(bytes: Uint8Array): T;
}

export interface Method<Request, Response> {
  readonly name: string;
  readonly isServerStream: boolean;
  encodeRequest(message: Request): Uint8Array;
  decodeRequest(bytes: Uint8Array): Request;
  encodeResponse(message: Response): Uint8Array;
  decodeResponse(bytes: Uint8Array): Response;
}

/** What published clients call, and what the specification calls. */
export const SERVICE_NAMES = ['snakepit.bridge.BridgeService', 'snakepit.bridge.UnifiedBridge'] as const;

export function methodPath(serviceName: string, methodName: string): string {
  return `/${serviceName}/${methodName}`;
}

/** The one call of the service of links; its messages are no request and answer, and stand in link-request and link-writer. */
export const LINK_SERVICE = 'snakepit.bridge.StreamLink';
export const LINK_PATH = methodPath(LINK_SERVICE, 'Open');

const bridge = snakepit.bridge;

/** Messages as plain objects: fields left out have their proto3 default. */
export type Wire = typeof snakepit.bridge;

function method<Request, Response>(
  name: string,
  request: MessageType<Request>,
  response: MessageType<Response>,
  isServerStream = false,
): Method<Request, Response> {
  return {
    name,
    isServerStream,
    encodeRequest: (message) => bytesOf(request, message),
    decodeRequest: (bytes) => request.decode(bytes),
    encodeResponse: (message) => bytesOf(response, message),
    decodeResponse: (bytes) => response.decode(bytes),
  };
}

/** biome-ignore format: one call a line reads as the table that it is. */
export const METHODS = {
  Ping: method<snakepit.bridge.IPingRequest, snakepit.bridge.IPingResponse>('Ping', bridge.PingRequest, bridge.PingResponse),
  InitializeSession: method<snakepit.bridge.IInitializeSessionRequest, snakepit.bridge.IInitializeSessionResponse>('InitializeSession', bridge.InitializeSessionRequest, bridge.InitializeSessionResponse),
  CleanupSession: method<snakepit.bridge.ICleanupSessionRequest, snakepit.bridge.ICleanupSessionResponse>('CleanupSession', bridge.CleanupSessionRequest, bridge.CleanupSessionResponse),
  GetSession: method<snakepit.bridge.IGetSessionRequest, snakepit.bridge.IGetSessionResponse>('GetSession', bridge.GetSessionRequest, bridge.GetSessionResponse),
  Heartbeat: method<snakepit.bridge.IHeartbeatRequest, snakepit.bridge.IHeartbeatResponse>('Heartbeat', bridge.HeartbeatRequest, bridge.HeartbeatResponse),
  GetVariable: method<snakepit.bridge.IGetVariableRequest, snakepit.bridge.IGetVariableResponse>('GetVariable', bridge.GetVariableRequest, bridge.GetVariableResponse),
  SetVariable: method<snakepit.bridge.ISetVariableRequest, snakepit.bridge.ISetVariableResponse>('SetVariable', bridge.SetVariableRequest, bridge.SetVariableResponse),
  GetVariables: method<snakepit.bridge.IBatchGetVariablesRequest, snakepit.bridge.IBatchGetVariablesResponse>('GetVariables', bridge.BatchGetVariablesRequest, bridge.BatchGetVariablesResponse),
  SetVariables: method<snakepit.bridge.IBatchSetVariablesRequest, snakepit.bridge.IBatchSetVariablesResponse>('SetVariables', bridge.BatchSetVariablesRequest, bridge.BatchSetVariablesResponse),
  RegisterVariable: method<snakepit.bridge.IRegisterVariableRequest, snakepit.bridge.IRegisterVariableResponse>('RegisterVariable', bridge.RegisterVariableRequest, bridge.RegisterVariableResponse),
  ListVariables: method<snakepit.bridge.IListVariablesRequest, snakepit.bridge.IListVariablesResponse>('ListVariables', bridge.ListVariablesRequest, bridge.ListVariablesResponse),
  DeleteVariable: method<snakepit.bridge.IDeleteVariableRequest, snakepit.bridge.IDeleteVariableResponse>('DeleteVariable', bridge.DeleteVariableRequest, bridge.DeleteVariableResponse),
  WatchVariables: method<snakepit.bridge.IWatchVariablesRequest, snakepit.bridge.IVariableUpdate>('WatchVariables', bridge.WatchVariablesRequest, bridge.VariableUpdate, true),
  UnwatchVariables: method<snakepit.bridge.IUnwatchVariablesRequest, snakepit.bridge.IUnwatchVariablesResponse>('UnwatchVariables', bridge.UnwatchVariablesRequest, bridge.UnwatchVariablesResponse),
  GetVariableHistory: method<snakepit.bridge.IGetVariableHistoryRequest, snakepit.bridge.IGetVariableHistoryResponse>('GetVariableHistory', bridge.GetVariableHistoryRequest, bridge.GetVariableHistoryResponse),
  RollbackVariable: method<snakepit.bridge.IRollbackVariableRequest, snakepit.bridge.IRollbackVariableResponse>('RollbackVariable', bridge.RollbackVariableRequest, bridge.RollbackVariableResponse),
  GetExposedElixirTools: method<snakepit.bridge.IGetExposedElixirToolsRequest, snakepit.bridge.IGetExposedElixirToolsResponse>('GetExposedElixirTools', bridge.GetExposedElixirToolsRequest, bridge.GetExposedElixirToolsResponse),
} as const;

export type MethodName = keyof typeof METHODS;
export type RequestOf<M extends MethodName> = Parameters<(typeof METHODS)[M]['encodeRequest']>[0];
export type ResponseOf<M extends MethodName> = ReturnType<(typeof METHODS)[M]['decodeResponse']>;
