import {Component, type ComponentChildren, type FunctionComponent} from "preact";

/** A view that is drawn again only when one of its properties is another. */
export function memo<P extends object>(view: (props: P) => ComponentChildren): FunctionComponent<P> {
    class Memo extends Component<P> {
        override shouldComponentUpdate(next: P): boolean {
            const before = this.props as P;
            return (Object.keys(next) as (keyof P)[]).some((key) => next[key] !== before[key]);
        }
        override render(): ComponentChildren {
            return view(this.props as P);
        }
    }
    return Memo as unknown as FunctionComponent<P>;
}
