/** Set by vite.config.ts; "" where it is not known. */
declare const __VERSION__: string;
