import type {ComponentChildren} from "preact";
import {t} from "../../i18n";
import {Icon} from "../../ui/Icon";
import {imageUrl, linkUrl} from "./url";

/** The address is shown on hover, whatever the answer calls it. */
export function LinkTo({href, children}: {href: string; children: ComponentChildren}) {
    const url = linkUrl(href);
    if (!url) return <>{children}</>;
    return (
        <a href={url} target="_blank" rel="noopener noreferrer nofollow" title={url}>
            {children}
        </a>
    );
}

/** An image of the answer itself is shown. One from elsewhere would tell its server who reads: it becomes a link. */
export function Picture({src, alt, link}: {src: string; alt: string; link: boolean}) {
    const own = imageUrl(src);
    if (own) return <img src={own} alt={alt} />;
    const body = (
        <>
            <Icon name="image" size={16} />
            <span>{alt || t("md.image")}</span>
        </>
    );
    const url = link ? linkUrl(src) : "";
    if (!url) return <span class="md-image">{body}</span>;
    return (
        <a class="md-image" href={url} target="_blank" rel="noopener noreferrer nofollow" title={t("md.imageOpen", {url})}>
            {body}
        </a>
    );
}
