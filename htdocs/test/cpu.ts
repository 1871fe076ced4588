declare const process: {cpuUsage(): {user: number}}; // Node's; the page's own code has no such thing

/** Milliseconds of this process on a processor: what a limit is about, however busy the machine is with others. */
export const cpuMs = (): number => process.cpuUsage().user / 1000;
