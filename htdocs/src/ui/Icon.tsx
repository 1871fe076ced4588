/** Line icons, 24 × 24, drawn with the text's colour. */
const paths = {
    plus: "M12 5v14M5 12h14",
    menu: "M4 7h16M4 12h16M4 17h16",
    sidebar: "M4 5h16v14H4zM9.5 5v14",
    send: "M12 19V5M6 11l6-6 6 6",
    stop: "M7 7h10v10H7z",
    copy: "M9 9h11v11H9zM5 15H4V4h11v1",
    check: "M5 12.5l4.5 4.5L19 7.5",
    edit: "M4 20l1-4L16 5l3 3L8 19zM14 7l3 3",
    retry: "M20 5v5h-5M19.5 10A8 8 0 1 0 20 14",
    trash: "M5 7h14M10 7V4.5h4V7M7 7l1 13h8l1-13M10.5 11v5M13.5 11v5",
    pin: "M9 4h6l-1 6 3 3H7l3-3zM12 13v7",
    search: "M11 4a7 7 0 1 1 0 14 7 7 0 0 1 0-14zM16 16l4.5 4.5",
    more: "M5.5 11.5h1v1h-1zM11.5 11.5h1v1h-1zM17.5 11.5h1v1h-1z",
    left: "M14.5 6l-6 6 6 6",
    right: "M9.5 6l6 6-6 6",
    down: "M6 9.5l6 6 6-6",
    up: "M6 14.5l6-6 6 6",
    close: "M6 6l12 12M18 6L6 18",
    image: "M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M15 9h.01",
    file: "M7 3h7l4 4v14H7zM14 3v4h4",
    chat: "M4 5h16v11h-9l-4.500 4v-4H4z",
    clip: "M19 11l-7.5 7.5a4 4 0 0 1-6-6L13 5a2.8 2.8 0 0 1 4 4l-7.3 7.3a1.2 1.2 0 0 1-2-2L14 8",
    settings: "M5 7h8M17 7h2M15 5v4M5 17h2M11 17h8M9 15v4M5 12h3M12 12h7M10 10v4",
    fleet: "M4 5h16v5H4zM4 14h16v5H4zM7.5 7.5h.01M7.5 16.5h.01M12 10v4",
    download: "M12 4v11M7 10.5l5 5 5-5M5 20h14",
    upload: "M12 16V5M7 9.5l5-5 5 5M5 20h14",
    share: "M12 15V4M8 7.5l4-4 4 4M6 11H5v9h14v-9h-1",
    folder: "M4 6h5l2 2.5h9V19H4z",
    tag: "M4 4h8l8 8-8 8-8-8zM8 8h.01",
    eye: "M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12zM12 9a3 3 0 1 1 0 6 3 3 0 0 1 0-6z",
    tool: "M14.5 6.5a4 4 0 0 0 5 5L11 20a2.5 2.5 0 0 1-3.500-3.500l8.500-8.500zM14.500 6.500a4 4 0 0 1 4-2.500l-2 3.500 1.500 1.500 3.500-2",
    brain: "M9 4a3 3 0 0 0-3 3 3 3 0 0 0-2 5 3 3 0 0 0 2 5 3 3 0 0 0 6 1V6a2.500 2.500 0 0 0-3-2zM15 4a3 3 0 0 1 3 3 3 3 0 0 1 2 5 3 3 0 0 1-2 5 3 3 0 0 1-6 1V6a2.500 2.500 0 0 1 3-2z",
    warning: "M12 4l9 16H3zM12 10v4.500M12 17.300h.01",
    info: "M12 3.500a8.500 8.500 0 1 1 0 17 8.500 8.500 0 0 1 0-17zM12 11v5.500M12 7.800h.01",
    keyboard: "M3 6h18v12H3zM7 10h.01M11 10h.01M15 10h.01M17.500 10h.01M8 14h8",
    continue: "M5 6l7 6-7 6zM14 6v12M18 6v12",
    sun: "M12 8a4 4 0 1 1 0 8 4 4 0 0 1 0-8zM12 2.500V5M12 19v2.500M2.500 12H5M19 12h2.500M5.300 5.300L7 7M17 17l1.700 1.700M18.700 5.300L17 7M7 17l-1.700 1.700",
    moon: "M19.500 14.500A8 8 0 0 1 9.500 4.500a8 8 0 1 0 10 10z",
    screen: "M4 5h16v11H4zM9 20h6M12 16v4",
    bolt: "M13 3L5 13.500h6L10.500 21 19 10.500h-6z",
    clock: "M12 3.500a8.500 8.500 0 1 1 0 17 8.500 8.500 0 0 1 0-17zM12 7.500V12l3.500 2",
    wrap: "M4 6h16M4 12h12.500a3 3 0 0 1 0 6H12M14.500 15.500L12 18l2.500 2.500M4 18h4",
} as const;
export type IconName = keyof typeof paths;

export function Icon({name, size = 20}: {name: IconName; size?: number}) {
    return (
        <svg class="icon" width={size} height={size} viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.7"
            stroke-linecap="round" stroke-linejoin="round" aria-hidden="true" focusable="false">
            <path d={paths[name]} />
        </svg>
    );
}
