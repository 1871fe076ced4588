import "fake-indexeddb/auto";

// jsdom has no media: a wide window, in light.
globalThis.matchMedia ??= (media: string) =>
    Object.assign(new EventTarget(), {media, matches: false, onchange: null, addListener: () => undefined, removeListener: () => undefined}) as MediaQueryList;
