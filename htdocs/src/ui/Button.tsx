import type {ButtonHTMLAttributes, ComponentChildren} from "preact";
import {Icon, type IconName} from "./Icon";

type Props = Omit<ButtonHTMLAttributes<HTMLButtonElement>, "icon" | "label" | "class"> & {
    icon?: IconName;
    /** Said by screen readers, and shown on hover, where the button has no text. */
    label?: string;
    kind?: "plain" | "primary" | "danger" | "quiet";
    class?: string;
    children?: ComponentChildren;
};

/** Every button of the page. With an icon and no children it is square, and has to have a label. */
export function Button({icon, label, kind = "quiet", children, class: more, ...rest}: Props) {
    const only = children === undefined;
    const classes = ["button", `button-${kind}`, only ? "button-icon" : "", more ?? ""];
    return (
        <button type="button" {...rest} class={classes.filter(Boolean).join(" ")} aria-label={label} title={label}>
            {icon && <Icon name={icon} size={only ? 20 : 18} />}
            {children}
        </button>
    );
}
