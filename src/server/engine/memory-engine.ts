/** Keeps state no longer than the process: what is decided is kept when the call returns. Path: session -> [memory engine] -> session -> observer manager. */
import { LocalEngine } from './local-engine.js';

export class MemoryEngine extends LocalEngine {}
