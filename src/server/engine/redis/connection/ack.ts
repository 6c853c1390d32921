/** When an outcome counts: said by the primary, kept by a replica too, or on its disk. Apart, because its users do not have `ioredis`. */
export type Ack = 'primary' | 'replica' | 'disk';
