/** How long to wait before the n-th try again (n from 0), ms: doubled each time, and spread, so that pages do not come all at once. */
export function backoff(n: number, first: number, most: number, random = Math.random()): number {
    const whole = Math.min(most, first * 2 ** Math.min(n, 20));
    return Math.round(whole / 2 + (whole / 2) * random);
}
