/** `bridge-servers`: where clients reach the servers over one state, those first that they shall ask first. Path: server -> [endpoint list] -> client. */

/** Of one list. */
export const MOST_ENDPOINTS = 16;

/** A host and its port, as clients reach a server. */
export function isEndpoint(text: string): boolean {
  const [, port = '0'] = /^(?:[\w.-]{1,253}|\[[\da-fA-F:.]{2,45}\]):(\d{1,5})$/.exec(text) ?? [];
  return Number(port) >= 1 && Number(port) <= 65_535;
}

export function endpointListText(endpoints: readonly string[]): string {
  return endpoints.slice(0, MOST_ENDPOINTS).join(',');
}

/** What is none is left out: it comes from another program. */
export function parseEndpointList(text: string): string[] {
  return text.split(',', MOST_ENDPOINTS).filter(isEndpoint);
}
