import {useState} from "preact/hooks";
import {newId} from "./id";
import {Icon, type IconName} from "./Icon";

type Props<T extends string> = {
    label: string;
    value: T;
    options: readonly {value: T; label: string; icon?: IconName}[];
    onChange: (value: T) => void;
};

/** A few choices side by side, of which one holds: radio buttons, so arrows and screen readers know them. */
export function Segments<T extends string>({label, value, options, onChange}: Props<T>) {
    const [name] = useState(newId);
    return (
        <div class="segments" role="radiogroup" aria-label={label}>
            {options.map((o) => (
                <label key={o.value} class="segment">
                    <input type="radio" class="segment-input" name={name} checked={o.value === value} onChange={() => onChange(o.value)} />
                    <span class="segment-face">
                        {o.icon && <Icon name={o.icon} size={16} />}
                        {o.label}
                    </span>
                </label>
            ))}
        </div>
    );
}
